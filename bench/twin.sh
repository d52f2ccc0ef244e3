# Prelude of the shell twins (bench/shell_twin.py): what a shell script on this host's tools needs to do the work of
# a scenario. W is private: dev/ and base/ have a link for each backstore's device, disk/, sg/ and sys/ one for each
# LUN, img/ the data that each backstore should hold. A step that does not end as the scenario expects is counted.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
C=/sys/kernel/config
T=$C/target
W=/run/twin
problems=0

problem() { echo "twin: problem: $*"; problems=$((problems + 1)); }
must() { "$@" || problem "failed: $*"; }
must_not() { if "$@"; then problem "did not fail: $*"; fi; }
may() { "$@" || true; }

begin() {
    echo "twin: begin"
    mkdir -p $W/dev $W/base $W/disk $W/sg $W/sys $W/img $W/file /var/target/pr /var/target/alua
    modprobe -a configfs sd_mod sg target_core_mod target_core_file target_core_iblock tcm_loop dm_mod loop
    mountpoint -q $C || mount -t configfs configfs $C
    mkdir -p $T/loopback
}

put() { printf %s "$2" >"$1"; }
bytes() { dd if="$1" of="$2" bs=1M count=1 conv=notrunc status=none; } # one write(2), whatever the bytes are
holds() { [ "$(cat "$1")" = "$2" ]; }
matches() { grep -Pq -- "$2" "$1"; }

seconds() { # since boot; without a process, for a start of one costs a tenth of a second here
    read -r up rest </proc/uptime
    now=${up%.*}
}
waiting() { # SECONDS COMMAND...: until it succeeds. Else the twin ends: the rest of it would only wait too
    seconds
    until_s=$((now + $1))
    shift
    until "$@"; do
        seconds
        if [ "$now" -ge $until_s ]; then
            problem "waited in vain: $*"
            end
            exit
        fi
        sleep 0.05
    done
}

# Devices ---------------------------------------------------------------------------------------------------------
loop_device() { # NAME BYTES BLOCK_SIZE
    truncate -s "$2" "$W/file/$1"
    node=$(losetup --find --show --sector-size "$3" "$W/file/$1") || return
    ln -s "$node" "$W/base/$1"
    echo "$node" >>$W/loops
}

debug_disks() { ls -d /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/* 2>/dev/null; }
debug_disk_there() { [ "$(debug_disks | wc -l)" -ge "$1" ]; }
debug_device() { # NAME NUMBER, from 1
    waiting 60 debug_disk_there "$2" && ln -s "/dev/$(basename "$(debug_disks | sed -n "$2p")")" "$W/base/$1"
}

null_device() { # NAME MIB BLOCK_SIZE
    d=$C/nullb/lab_$1
    mkdir "$d" && put "$d/size" "$2" && put "$d/blocksize" "$3" && put "$d/memory_backed" 1 &&
        put "$d/discard" 1 && put "$d/power" 1 || return
    echo "$d" >>$W/nulls
    node=/dev/lab_$1
    [ -e "$node" ] || node=/dev/nullb$(cat "$d/index")
    ln -s "$node" "$W/base/$1"
}

rows() { # NAME, rows with BASE for the device under it
    sed "s,BASE,$(readlink -f "$W/base/$1"),"
}
mapped() { # NAME SECTORS
    echo "0 $2 linear BASE 0" | rows "$1" | dmsetup create --noudevsync "lab_$1" || return
    ln -s "/dev/dm-$(dmsetup info -c --noheadings -o minor "lab_$1" | tr -d ' ')" "$W/dev/$1"
    echo "lab_$1" >>$W/maps
}
hold() { dmsetup suspend --noflush --nolockfs --noudevsync "lab_$1"; }
table() { # NAME, rows on stdin
    rows "$1" | dmsetup load "lab_$1" && hold "$1" && dmsetup resume --noudevsync "lab_$1"
}

# LIO -------------------------------------------------------------------------------------------------------------
backstore() { # PATH CONTROL SERIAL ATTRIBUTE=VALUE...
    d=$T/core/$1
    mkdir -p "${d%/*}" && mkdir "$d" && put "$d/control" "$2" || return
    if [ -e "$W/dev/${d##*/}" ]; then put "$d/udev_path" "$(readlink -f "$W/dev/${d##*/}")"; fi
    put "$d/enable" 1 && put "$d/wwn/vpd_unit_serial" "$3" || return
    shift 3
    for pair; do put "$d/attrib/${pair%%=*}" "${pair#*=}" || return; done
}

target() { # PATH NEXUS
    mkdir -p "$T/$1" || return
    if [ -n "$2" ]; then put "$T/$1/nexus" "$2"; fi
}

disk_there() { [ -e "$(echo "$1"/block/*)" ] && [ -e "$(echo "$1"/scsi_generic/*)" ]; }
link() { # TARGET_PATH LUN BACKSTORE_PATH KEY TIMEOUT_S
    d=$T/$1/lun/lun_$2
    mkdir -p "$d" && ln -s "$T/core/$3" "$d/${3##*/}" || return
    [ -n "$(cat "$T/$1/nexus" 2>/dev/null)" ] || return 0
    s=/sys/class/scsi_device/$(cat "$T/$1/address"):$2/device
    waiting 60 disk_there "$s" || return
    ln -sfn "$s" "$W/sys/$4"
    ln -sfn "/dev/$(basename "$s"/block/*)" "$W/disk/$4"
    ln -sfn "/dev/$(basename "$s"/scsi_generic/*)" "$W/sg/$4"
    if [ -n "$5" ]; then put "$s/timeout" "$5"; fi
}
unlink_lun() { # TARGET_PATH LUN
    d=$T/$1/lun/lun_$2
    find "$d" -maxdepth 1 -type l -lname '*/core/*' -exec rm {} +
    rmdir "$d"
}
remove_target() { # PATH
    for d in "$T/$1"/lun/lun_*; do [ -d "$d" ] && unlink_lun "$1" "${d##*_}"; done
    rmdir "$T/$1" || return
    rmdir "$T/${1%/*}" 2>/dev/null || true
}

# I/O -------------------------------------------------------------------------------------------------------------
write_part() { # FILE KEY BLOCK_SIZE FIRST COUNT TRANSFER VIA BLOCKS_BEFORE_IN_FILE
    if [ "$7" = sg ]; then
        sg_dd if="$1" of="$W/sg/$2" bs="$3" skip="$8" seek="$4" count="$5" bpt="$6" cdbsz=16 blk_sgio=1 2>&1
    else
        dd if="$1" of="$W/disk/$2" bs=$(($3 * $6)) skip=$(($3 * $8)) seek=$(($3 * $4)) count=$(($3 * $5)) \
            iflag=skip_bytes,count_bytes oflag=direct,seek_bytes conv=notrunc status=none
    fi
}
write_blocks() { # KEY BACKSTORE BLOCK_SIZE FIRST COUNT TRANSFER VIA DEPTH
    p=$W/write.$1.$2
    head -c $(($3 * $5)) /dev/urandom >"$p"
    share=$((($5 / $6 + $8 - 1) / $8 * $6)) # of each writer, whole transfers
    [ $share -gt 0 ] || share=$5
    before=0 writers=
    while [ $before -lt "$5" ]; do
        n=$(($5 - before > share ? share : $5 - before))
        write_part "$p" "$1" "$3" $(($4 + before)) $n "$6" "$7" $before &
        writers="$writers $!"
        before=$((before + n))
    done
    for writer in $writers; do wait "$writer" || return; done
    dd if="$p" of="$W/img/$2" bs=64K seek=$(($3 * $4)) oflag=seek_bytes conv=notrunc status=none
}
read_blocks() { # KEY BLOCK_SIZE FIRST COUNT TRANSFER VIA: to $W/read.KEY
    if [ "$6" = sg ]; then
        sg_dd if="$W/sg/$1" of="$W/read.$1" bs="$2" skip="$3" count="$4" bpt="$5" cdbsz=16 blk_sgio=1 2>&1
    else
        dd if="$W/disk/$1" of="$W/read.$1" bs=$(($2 * $5)) skip=$(($2 * $3)) count=$(($2 * $4)) \
            iflag=direct,skip_bytes,count_bytes status=none
    fi
}
same() { # KEY BACKSTORE BLOCK_SIZE FIRST_READ FIRST COUNT: what was read is what was written
    cmp -n $(($3 * $6)) -i $(($3 * ($5 - $4))):$(($3 * $5)) "$W/read.$1" "$W/img/$2"
}
zero() { # the same, but zeros
    cmp -n $(($3 * $6)) -i $(($3 * ($5 - $4))):0 "$W/read.$1" /dev/zero
}

scsi() { # KEY WANT SEND_FILE RECEIVE CDB...: WANT is GOOD, FAIL, ANY, or words of sg_raw's decoded sense
    key=$1 want=$2 send=$3 receive=$4
    shift 4
    set -- "$W/sg/$key" "$@"
    if [ "$receive" -gt 0 ]; then set -- -r "$receive" -o "$W/answer.$key" "$@"; fi
    if [ "$send" != - ]; then set -- -s "$(stat -c %s "$send")" -i "$send" "$@"; fi
    for attempt in 1 2 3 4; do
        said=$(sg_raw "$@" 2>&1)
        status=$?
        [ $status = 6 ] && [ "$want" != "Unit Attention" ] || break
    done
    case $want in
        GOOD) [ $status = 0 ] ;;
        FAIL) [ $status != 0 ] ;;
        ANY) ;;
        *) echo "$said" | grep -qi -- "$want" ;;
    esac
}
filled() { # KEY OCTAL: every byte of the answer
    [ -s "$W/answer.$1" ] && [ -z "$(tr -d "\\$2" <"$W/answer.$1" | head -c 1)" ]
}
flip() { # FILE OFFSET: invert one byte
    b=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf "\\$(printf %o $((b ^ 255)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
in_flight() { # KEY NUMBER
    for f in "$W/sys/$1"/block/*/inflight; do read -r r w <"$f" && [ $((r + w)) -ge "$2" ] && return; done
    return 1
}
kernel_said() { dmesg | grep -Pq -- "$1"; }
there() { [ -e "$1" ]; }
gone() { [ ! -e "$1" ]; }
repeated() { # BYTES PRINTF_TEXT, over and over
    [ "$1" -gt 0 ] || return 0
    printf "$2" >$W/piece
    cp $W/piece $W/more
    while [ "$(stat -c %s $W/more)" -lt "$1" ]; do cat $W/more $W/more >$W/twice && mv $W/twice $W/more; done
    head -c "$1" $W/more
}

# The end ---------------------------------------------------------------------------------------------------------
end() {
    for name in $(cat $W/maps 2>/dev/null); do dmsetup resume --noudevsync "$name"; done
    for d in "$T"/loopback/*/tpgt_*; do [ -d "$d" ] && must remove_target "${d#"$T/"}"; done
    for d in "$T"/loopback/*.*; do [ -d "$d" ] && must rmdir "$d"; done
    must rmdir "$T/loopback"
    for d in "$T"/core/*/*/; do
        case $d in */core/alua/*) continue ;; esac
        for g in "$d"alua/*/; do
            case $g in *default_tg_pt_gp/ | *'*/') ;; *) must rmdir "$g" ;; esac
        done
        [ -d "$d" ] && must rmdir "$d"
    done
    for d in "$T"/core/*_*/; do
        case $d in *_[0-9]*/) must rmdir "$d" ;; esac
    done
    for name in $(cat $W/maps 2>/dev/null); do must dmsetup remove --noudevsync "$name"; done
    for node in $(cat $W/loops 2>/dev/null); do must losetup -d "$node"; done
    for d in $(cat $W/mounts 2>/dev/null); do must umount "$d"; done
    for d in $(cat $W/nulls 2>/dev/null); do must rmdir "$d"; done
    for module in brd scsi_debug null_blk; do
        if [ -e $W/unload.$module ]; then must modprobe -r $module; fi
    done
    if dmesg | grep -E 'BUG:|WARNING:|Oops|INFO: task'; then problem "kernel messages"; fi
    echo "twin: end, $problems problems"
    [ $problems = 0 ]
}
