# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
# Arrays, subshells, pipes, here-documents, traps and jobs: what bash asks of a malloc.
set -u

declare -a numbers
for ((i = 0; i < 30000; i++)); do numbers[i]=$((i * 7919 % 10007)); done
sum=0
for n in "${numbers[@]}"; do ((sum += n)); done
echo "array ${#numbers[@]} $sum"
for ((i = 0; i < 30000; i += 3)); do unset "numbers[i]"; done
echo "after unset ${#numbers[@]}"

declare -A names
for ((i = 0; i < 10000; i++)); do names["key$((i % 3571))"]+="$i,"; done
echo "map ${#names[@]} ${names[key17]}"

text=""
for ((i = 0; i < 5000; i++)); do text+="word$i "; done
replaced=${text//word/term}
echo "string ${#text} ${#replaced} ${replaced:1000:30}"

total=0
for i in {1..60}; do
    got=$(words=($text); echo "${words[i * 11]}"; exit $((i % 5)))
    total=$((total + $? + ${#got}))
done
echo "subshells $total"

sorted=$(for n in "${numbers[@]:0:4000}"; do echo "$n"; done | sort -n | uniq -c | awk '{ s += $1 * $2 } END { print s }')
echo "pipeline $sorted"

fib() { local n=$1; if ((n < 2)); then echo "$n"; else echo $(($(fib $((n - 1))) + $(fib $((n - 2))))); fi; }
echo "recursion $(fib 9)"

for i in 1 2 3 4; do (
    data=()
    for ((j = 0; j < 3000; j++)); do data+=("$i.$j"); done
    echo "job $i ${#data[@]}" > "job.$i"
) & done
wait
cat job.1 job.2 job.3 job.4

while read -r first rest; do echo "$first:${#rest}"; done << END
one two three
$(printf 'long %.0s' {1..500})
END
trap 'echo "trap at the end"' EXIT
