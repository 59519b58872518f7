#!/bin/sh
# A small Ceph with its S3 gateway, for `f7tfs sandbox --setting object_store_url=…` and the tests:
#
#   setup-radosgw.sh install      Debian's ceph-mon, ceph-osd and radosgw, where they are missing
#   setup-radosgw.sh start DIR    a cluster in DIR; prints the sandbox's settings. If it runs: prints them again
#   setup-radosgw.sh stop DIR     ends it, and removes what it stored
#   setup-radosgw.sh run DIR      starts it, and stops it at the end of the standard input
#
# One mon, one osd that stores in memory, one radosgw; no mgr, no cephx, nothing of systemd. Everything is below DIR,
# which is made, and on 127.0.0.1, at ports that are free. Several in several directories do not see each other.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/debian.sh"

# Seconds for each step of a start; all of them take about three on a quiet machine.
PATIENCE=120

PROGRAMS="ceph ceph-mon ceph-osd monmaptool radosgw radosgw-admin"
# A directory without it is somebody else's.
MARK=.f7tfs-radosgw

now() { date +%s; }
usage() { fail "usage: setup-radosgw.sh install | start DIR | stop DIR | run DIR"; }

alive() { # alive NAME: whether the process that was written down lives, and is of this directory
    [ -s "$dir/$1.pid" ] && tr '\0' ' ' <"/proc/$(cat "$dir/$1.pid")/cmdline" | grep -qF -- "-c $dir/ceph.conf "
} 2>/dev/null

stop() {
    for name in radosgw osd mon; do
        signal=TERM
        give_up=$(($(now) + PATIENCE))
        while alive $name; do
            kill -$signal "$(cat "$dir/$name.pid")" 2>/dev/null || true
            [ "$(now)" -lt $((give_up - PATIENCE + 20)) ] || signal=KILL
            [ "$(now)" -lt $give_up ] || fail "$name does not end"
            sleep 0.2
        done
    done
    [ ! -e "$dir/$MARK" ] || (cd "$dir" && rm -rf data log ceph.conf settings ./*.pid "$MARK")
}

# Below those that the kernel hands out, so that nobody gets them by chance meanwhile.
free_ports() {
    python3 - <<'EOF'
import random, socket
found = []
while len(found) < 2:
    candidate = socket.socket()
    try:
        candidate.bind(("127.0.0.1", random.randrange(10000, 32000)))
    except OSError:
        continue
    found.append(candidate)
print(*(taken.getsockname()[1] for taken in found))
EOF
}

random_word() { python3 -c 'import secrets; print(secrets.token_hex(16))'; }
random_uuid() { python3 -c 'import uuid; print(uuid.uuid4())'; }

configuration() { # configuration MON_PORT S3_PORT
    cat <<EOF
[global]
fsid = $(random_uuid)
# Not mon_host, and --no-mon-config below: who knows no more of the mon than its address sends commands before it has
# the cluster's number, as without cephx nothing holds it up, and is refused by chance.
monmap = $dir/data/monmap
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr2 = false
# Whoever reaches the ports of this machine may do everything.
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
keyring = /dev/null
# Nothing outside the directory; and no sockets, whose paths might be too long.
run_dir = $dir/data
crash_dir = $dir/data
log_file = $dir/log/\$name.log
admin_socket =
# One copy on one osd, in as few placement groups as there can be, as no mgr cares for them.
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
# Each pool is a few changes of the mon's, which otherwise gathers changes for a second.
paxos_propose_interval = 0.05
# A full disk is not the mon's business: it stores next to nothing.
mon_data_avail_warn = 0
mon_data_avail_crit = 0

[mon.a]
mon_data = $dir/data/mon

[osd.0]
osd_data = $dir/data/osd
osd_objectstore = memstore
memstore_device_bytes = 4294967296

[client.radosgw]
rgw_data = $dir/data/radosgw
rgw_frontends = beast endpoint=127.0.0.1:$2
rgw_thread_pool_size = 64
EOF
}

ask() { timeout 30 ceph -c "$dir/ceph.conf" "$@" 2>>"$dir/log/ceph.out"; }

launch() { # launch NAME PROGRAM…: in the background, the PID written down
    name=$1
    shift
    setsid "$@" -c "$dir/ceph.conf" -f </dev/null >"$dir/log/$name.out" 2>&1 &
    echo $! >"$dir/$name.pid"
    # At first it is this script's own process.
    while [ -e "/proc/$!" ] && ! alive "$name"; do sleep 0.05; done
}

wait_for() { # wait_for NAME COMMAND…: until it succeeds; fails when the daemon has ended, or patience has
    name=$1
    shift
    give_up=$(($(now) + PATIENCE))
    until "$@"; do
        alive "$name" && [ "$(now)" -lt $give_up ] || return 1
        sleep 0.1
    done
}

osd_up() { ask osd stat | grep -q ' 1 up'; }

# Whether a bucket can be made, with a request signed as S3's first signatures were, which need no library.
bucket_made() { # bucket_made URL KEY SECRET
    python3 - "$@" 2>>"$dir/log/bucket.out" <<'EOF'
import base64, email.utils, hashlib, hmac, sys, urllib.request
url, key, secret = sys.argv[1:]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for method in "PUT", "DELETE":
    date = email.utils.formatdate(usegmt=True)
    text = f"{method}\n\n\n{date}\n/trial"
    signature = base64.b64encode(hmac.digest(secret.encode(), text.encode(), hashlib.sha1)).decode()
    headers = {"Date": date, "Authorization": f"AWS {key}:{signature}"}
    opener.open(urllib.request.Request(f"{url}/trial", headers=headers, method=method), timeout=60).close()
EOF
}

start_once() {
    mkdir -p -m 700 "$dir"
    touch "$dir/$MARK"
    mkdir -p "$dir/log" "$dir/data/mon" "$dir/data/osd" "$dir/data/radosgw"
    ports=$(free_ports)
    mon_port=${ports% *} s3_port=${ports#* }
    configuration "$mon_port" "$s3_port" >"$dir/ceph.conf"
    fsid=$(sed -n 's/^fsid = //p' "$dir/ceph.conf")
    {
        monmaptool --create --fsid "$fsid" --addv a "[v1:127.0.0.1:$mon_port]" "$dir/data/monmap" &&
            ceph-mon -c "$dir/ceph.conf" -i a --mkfs --monmap "$dir/data/monmap"
    } >"$dir/log/mkfs.out" 2>&1 || return 1
    launch mon ceph-mon -i a
    uuid=$(random_uuid)
    wait_for mon ask osd new "$uuid" >/dev/null || return 1
    ceph-osd --no-mon-config -c "$dir/ceph.conf" -i 0 --mkfs --osd-uuid "$uuid" >>"$dir/log/mkfs.out" 2>&1 || return 1
    launch osd ceph-osd --no-mon-config -i 0
    wait_for osd osd_up || return 1
    key=sandbox secret=$(random_word)
    timeout $PATIENCE radosgw-admin --no-mon-config -c "$dir/ceph.conf" user create --uid sandbox --display-name sandbox \
        --access-key $key --secret-key "$secret" >"$dir/log/user.out" 2>&1 || return 1
    launch radosgw radosgw --no-mon-config -n client.radosgw
    url=http://127.0.0.1:$s3_port
    wait_for radosgw bucket_made "$url" $key "$secret" || return 1
    printf 'object_store_%s\n' "url=$url" "key=$key" "secret=$secret" >"$dir/settings"
}

start() {
    if alive mon && alive osd && alive radosgw && [ -s "$dir/settings" ]; then return; fi
    # A port may be taken between its choice and its use.
    for _ in 1 2 3; do
        stop
        ! start_once || return 0
        tail -n 3 "$dir"/log/*.out >&2
    done
    stop
    fail "Ceph does not start"
}

complete() {
    for program in $PROGRAMS; do
        command -v "$program" >/dev/null || return 1
    done
}

install() {
    complete || (install_without_services radosgw ceph-mon ceph-osd)
    complete || fail "not all of these are there: $PROGRAMS"
}

[ "${1:-}" != install ] || { install; exit; }
[ $# = 2 ] || usage
dir=$(realpath -m "$2")
[ -e "$dir/$MARK" ] || [ -z "$(ls -A "$dir" 2>/dev/null)" ] || fail "$dir is not empty, and not of this script"
case $1 in
    start) install >&2; start; cat "$dir/settings" ;;
    stop) stop ;;
    run)
        trap stop EXIT
        trap 'exit 1' HUP INT TERM
        install >&2
        start
        cat "$dir/settings"
        cat >/dev/null
        ;;
    *) usage ;;
esac
