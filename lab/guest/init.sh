#!/bin/busybox sh
# The first process of a guest. It makes the root writable where it must be, loads the usual modules and starts the
# agent. It stays as process 1: an agent that dies must not look like a kernel panic.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 HOME=/root
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev
for d in /run /tmp /var /root /mnt; do $b mount -t tmpfs -o mode=755 tmpfs $d; done
$b chmod 1777 /tmp
# As udev makes them: bash reads <(...) from /dev/fd.
$b ln -s /proc/self/fd /dev/fd; for n in 0:stdin 1:stdout 2:stderr; do $b ln -s "fd/${n%:*}" "/dev/${n#*:}"; done
$b mkdir -p /dev/pts /dev/shm /run/sshd /run/lock /var/lib /var/target/pr /var/target/alua
$b mount -t devpts devpts /dev/pts
$b mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
$b ip link set lo up 2>/dev/null

# The disk with this kernel's modules, if it has one; virtio_blk is loaded, because the root is one.
if [ -e /dev/vdb ]; then $b mount -o ro /dev/vdb /lib/modules; fi
modprobe -a -q configfs virtio_console sd_mod sg target_core_mod target_core_file target_core_iblock tcm_loop \
    dm_mod loop qemu_fw_cfg 2>/dev/null
$b mount -t configfs configfs /sys/kernel/config

slowdown=1
read -r cmdline </proc/cmdline
for word in $cmdline; do
    case $word in
        lab.ssh_key=*) key=${word#lab.ssh_key=} ;;
        lab.slowdown=*) slowdown=${word#lab.slowdown=} ;;
    esac
done

echo 1 >/proc/sys/kernel/sysrq
# Long enough for what scenarios do on purpose and for a slow guest on a busy host, short enough to report a hang soon;
# 5.1 and newer can look more often. A soft lockup is reported after twice watchdog_thresh.
echo $((30 + 3 * slowdown)) >/proc/sys/kernel/hung_task_timeout_secs 2>/dev/null
echo 5 >/proc/sys/kernel/hung_task_check_interval_secs 2>/dev/null
echo $((10 + 2 * slowdown)) >/proc/sys/kernel/watchdog_thresh 2>/dev/null
echo $((21 + 8 * slowdown)) >/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout 2>/dev/null
# However often a task hangs: the detector falls silent after ten reports.
echo 1000 >/proc/sys/kernel/hung_task_warnings 2>/dev/null

if [ -n "$key" ]; then $b sh /opt/lab/guest/sshd.sh "$key"; fi
cd /opt
LD_LIBRARY_PATH=/opt/python/lib /opt/python/bin/python3 -m lab.guest.agent --port lab.agent
echo "lab: the agent ended with status $?" >/dev/kmsg
$b sync
$b poweroff -f
