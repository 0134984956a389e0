#!/usr/bin/env bash
# fuzz.sh [NAME...]
#
# Builds every fuzzer (extension/fuzz/NAME.c, linked with extension/core) by clang with libFuzzer and
# the address and undefined-behaviour sanitizers, and runs each for FUZZ_SECONDS. Seeds are read from
# extension/fuzz/corpus/NAME, a dictionary from extension/fuzz/NAME.dict without "fuzz_"; what a run finds is kept in
# build/fuzz/NAME. Ends with "fuzz: N passed, N failed".
# shellcheck source=dev/lib.sh
. "$(dirname "$0")/lib.sh"

FUZZ_SECONDS=${FUZZ_SECONDS:-60}
INPUT_BYTES_MAX=16384
ONE_INPUT_LIMIT_S=5
MEMORY_MB_MAX=1024

FLAGS=(-std=gnu11 -D_GNU_SOURCE -g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=undefined -Iextension)

# The core is compiled once for all fuzzers, instrumented for coverage.
build_core()
{
  rm -rf "$OUT/core"
  mkdir -p "$OUT/core"
  printf '%s\n' "$AM_TOP"/extension/core/*.c |
    (cd "$OUT/core" && xargs -n 4 -P "$(nproc)" clang "${FLAGS[@]/-Iextension/-I$AM_TOP/extension}" \
      -fsanitize=fuzzer-no-link,address,undefined -c)
}

build()
{
  clang "${FLAGS[@]}" -fsanitize=fuzzer,address,undefined -o "$OUT/$1.fuzzer" \
    "extension/fuzz/$1.c" "$OUT"/core/*.o -lcrypto -lunistring -lidn2
}

fuzz()
{
  local name=$1
  local -a options=("-max_total_time=$FUZZ_SECONDS" "-max_len=$INPUT_BYTES_MAX" -print_final_stats=1
    "-timeout=$ONE_INPUT_LIMIT_S" "-rss_limit_mb=$MEMORY_MB_MAX" "-artifact_prefix=$OUT/$name/")
  [ ! -f "extension/fuzz/${name#fuzz_}.dict" ] || options+=("-dict=extension/fuzz/${name#fuzz_}.dict")
  mkdir -p "$OUT/$name/corpus"
  if [ -d "extension/fuzz/corpus/$name" ]; then
    options+=("$OUT/$name/corpus" "extension/fuzz/corpus/$name")
  else
    options+=("$OUT/$name/corpus")
  fi
  "$OUT/$name.fuzzer" "${options[@]}" >"$OUT/$name.log" 2>&1
}

main()
{
  local source name passed=0 failed=0
  local -a names=("$@")
  cd "$AM_TOP"
  OUT=build/fuzz
  mkdir -p "$OUT"
  if [ ${#names[@]} -eq 0 ]; then
    for source in extension/fuzz/*.c; do
      [ ! -f "$source" ] || names+=("$(basename "$source" .c)")
    done
  fi
  build_core
  for name in "${names[@]}"; do
    if build "$name" && fuzz "$name"; then
      passed=$((passed + 1))
      echo "ok      $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$OUT/$name.log") inputs"
    else
      failed=$((failed + 1))
      echo "FAILED  $name: the input is in $OUT/$name, the log is $OUT/$name.log"
      [ ! -f "$OUT/$name.log" ] || tail -n 30 "$OUT/$name.log"
    fi
  done
  echo "fuzz: $passed passed, $failed failed"
  [ "$failed" -eq 0 ]
}

OUT=
main "$@"
