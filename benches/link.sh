#!/usr/bin/env bash
# Two ranks on two machines that this one plays: each with half of its cores and a network namespace, and between them a link of a rate
# (`none`: as fast as it goes). As root, with Open MPI, `ip` and `tc` (iproute2).
#
#   benches/link.sh 1gbit target/debug/tallow bench reduce
#   benches/link.sh none target/debug/train recipes/quickstart.yaml --out run
#   ip -n machine1 link set link1 down      # cuts the link of a training under way
#   benches/link.sh remove
set -euo pipefail

# As mpirun's agent: a command on a host.
if [ "$1" = --on ]; then
    host=$2 half=$(($(nproc --all) / 2))
    shift 2
    exec taskset -c $((${host#machine} * half))-$((${host#machine} * half + half - 1)) ip netns exec "$host" unshare --uts sh -c "hostname $host; $*"
fi
remove() {
    for i in 0 1; do ip netns del machine$i 2>/dev/null || true; rm -rf /etc/netns/machine$i; done
}
if [ "$1" = remove ]; then
    remove
    exit
fi

rate=$1
shift
if ! ip netns list | grep -q '^machine1\b'; then
    remove
    for i in 0 1; do ip netns add machine$i; done
    ip link add link0 netns machine0 type veth peer name link1 netns machine1
    for i in 0 1; do
        ip -n machine$i addr add 10.7.0.1$i/24 dev link$i
        ip -n machine$i link set lo up
        mkdir -p /etc/netns/machine$i
        { cat /etc/hosts; echo "10.7.0.10 machine0"; echo "10.7.0.11 machine1"; } >/etc/netns/machine$i/hosts
    done
fi
for i in 0 1; do
    ip -n machine$i link set link$i up
    ip netns exec machine$i tc qdisc del dev link$i root 2>/dev/null || true
    [ "$rate" = none ] || ip netns exec machine$i tc qdisc add dev link$i root tbf rate "$rate" burst 1mb latency 100ms
done
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
exec "$0" --on machine0 exec mpirun --oversubscribe --bind-to none --host machine0:1,machine1:1 -n 2 --mca plm_rsh_agent "'$(realpath "$0") --on'" \
    --mca btl self,tcp --mca btl_tcp_if_include 10.7.0.0/24 --mca oob_tcp_if_include 10.7.0.0/24 "$(printf '%q ' "$@")"
