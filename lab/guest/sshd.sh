#!/bin/busybox sh
# Network and sshd for a guest that is reached by SSH; $1 is the public key that may log in, without its comment.
# QEMU's user network gives a guest 10.0.2.15; nothing but the forwarded port leads in, and nothing leads out.
modprobe -a -q e1000
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
mkdir -p /root/.ssh /run/sshd
echo "ssh-ed25519 $1" >/root/.ssh/authorized_keys
chmod -R go= /root
ssh-keygen -q -t ed25519 -N '' -f /run/ssh_host_ed25519_key
/usr/sbin/sshd -f /dev/null -o HostKey=/run/ssh_host_ed25519_key -o UsePAM=no -o PasswordAuthentication=no \
    -o PidFile=none -o 'Subsystem=sftp internal-sftp' -o 'SetEnv=LD_LIBRARY_PATH=/opt/python/lib'
