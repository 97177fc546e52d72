#!/bin/sh
# A tour of stook on real data (examples/data): each command is shown, then run. Ends with the same pipeline on three workers and a
# comparison byte for byte.
#   examples/demo.sh [FOLDER OF THE PROGRAMS]
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
PATH=${1:-$top/build/bin}:$PATH
export PATH
cd "$top"
out=build/demo
data=examples/data
rm -rf "$out"
mkdir -p "$out"

say() { printf '\n\033[1m# %s\033[0m\n' "$1"; }
show() {
	printf '$ %s\n' "$1"
	eval "$1"
}
[ -t 1 ] || say() { printf '\n# %s\n' "$1"; }

say "A split by airport, the same on every machine: no airport is in both parts"
show "stook split --weights train=0.8,test=0.2 --by 'Airport Name' --seed 7 --out '$out/{}.csv' $data/birdstrikes.csv"
show "wc -l '$out/train.csv' '$out/test.csv'"

say "A join: the routes with the names of the cities they leave from"
show "stook join -k origin=iata $data/routes.csv $data/airports.csv | stook map 'keep city, state, destination, count' | stook take -n 5 --to table"

say "A group-by: strikes and repair cost by species, the dearest ten"
pipeline="stook map 'where @\"Wildlife Species\" !~ \"Unknown\"; species = @\"Wildlife Species\"; cost = @\"Cost Total \$\"' $data/birdstrikes.csv |
  stook reduce -g species -a strikes=count,total=sum:cost,worst=max:cost:num |
  stook sort -k total:num:desc,species -n 10"
show "$pipeline | stook cat --to table"

say "The top 10: the longest lists of flights between two airports"
show "stook sort -k count:num:desc,origin,destination -n 10 $data/routes.csv --to table"

say "A confusion matrix: a naive Bayes classifier on 899 handwritten digits, and a picture"
show "stook confusion-matrix --true digit --pred naive_bayes --svg '$out/digits.svg' $data/digits.csv --to table"
echo "(the picture is $out/digits.svg)"

say "The same pipeline here, and over three local workers"
echo "$pipeline -o $out/here.csv"
eval "$pipeline -o '$out/here.csv'"
printf '%s -o %s\n' "$pipeline" "$out/there.csv" >"$out/pipeline"
show "fanout --workers 3 -f '$out/pipeline'"
show "cmp '$out/here.csv' '$out/there.csv'"
echo "equal bytes"
