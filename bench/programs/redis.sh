# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
#
# redis.sh SCRATCH REQUESTS: a server, and the load on it, which alone is timed. The clients run on libc's malloc.
set -eu
socket=$1/s
redis-server --port 0 --unixsocket "$socket" --dir "$1" --save "" --appendonly no --daemonize no --jemalloc-bg-thread no \
    --logfile /dev/null &
until env -u LD_PRELOAD redis-cli -s "$socket" ping >/dev/null 2>&1; do
    kill -0 $!
    sleep 0.02
done
began=$(date +%s%N)
env -u LD_PRELOAD redis-benchmark -s "$socket" -q -n "$2" -r 20000 -c 20 -P 16 -d 200 \
    -t set,get,lpush,rpush,lpop,sadd,hset,zadd >/dev/null
took_us=$((($(date +%s%N) - began) / 1000))
redis-cli -s "$socket" dbsize
redis-cli -s "$socket" shutdown nosave
wait
printf '{"seconds": %d.%06d}\n' $((took_us / 1000000)) $((took_us % 1000000))
