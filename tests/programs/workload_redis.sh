# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
# A server on a unix socket in the current directory, loaded by redis-benchmark, then asked for what must not
# depend on the malloc. The server is stopped whatever happens.
set -u
redis-server --port 0 --unixsocket ./socket --save '' --appendonly no --daemonize no --enable-debug-command local --logfile server.log > /dev/null &
server=$!
trap 'kill $server 2> /dev/null' EXIT
for try in $(seq 1 200); do
    [ -S socket ] && redis-cli -s ./socket ping > /dev/null 2>&1 && break
    sleep 0.05
done

redis-benchmark -s ./socket -q -n 20000 -c 30 -P 8 -r 5000 -d 100 -t set,get,incr,lpush,rpush,lpop,sadd,hset,zadd,lrange_100,mset > benchmark.log || { echo "benchmark failed"; cat benchmark.log; }
redis-benchmark -s ./socket -q -n 1000 -c 5 -d 100000 -t set,get > benchmark.log || { echo "benchmark failed"; cat benchmark.log; }
redis-cli -s ./socket flushall

redis-cli -s ./socket eval "
    for i = 1, 60000 do
        redis.call('set', 'string' .. i % 20000, string.rep('v', i % 700))
        redis.call('rpush', 'list' .. i % 50, i)
        redis.call('hset', 'hash' .. i % 300, 'field' .. i, i * 7)
        redis.call('zadd', 'zset' .. i % 20, i % 1000, 'member' .. i)
        if i % 3 == 0 then redis.call('del', 'string' .. (i * 7) % 20000) end
    end
    return redis.call('dbsize')" 0
redis-cli -s ./socket eval "
    local sum = 0
    for i = 0, 19999 do sum = sum + redis.call('strlen', 'string' .. i) end
    for i = 0, 49 do sum = sum + redis.call('llen', 'list' .. i) end
    for i = 0, 299 do sum = sum + redis.call('hlen', 'hash' .. i) end
    for i = 0, 19 do sum = sum + redis.call('zcard', 'zset' .. i) end
    return sum" 0
redis-cli -s ./socket zrange zset7 10 15 withscores
redis-cli -s ./socket lrange list3 0 5
redis-cli -s ./socket sort list4 desc limit 0 5
redis-cli -s ./socket bgsave > /dev/null
sleep 0.3
redis-cli -s ./socket debug reload
redis-cli -s ./socket get string17
redis-cli -s ./socket memory purge > /dev/null
redis-cli -s ./socket shutdown nosave
wait $server
echo "server ended with $?"
