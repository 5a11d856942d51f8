#!/usr/bin/env bash
# Brings a FHIR server up to date with a registry's files; made for the night, and for whoever reads its log in the morning.
#
#   sync.sh STUDIES…
#
# STUDIES is whatever `fhirtrial convert` reads: files, folders, zip, gzip. Settings come from the environment:
#
#   FHIRTRIAL_SERVER    base URL of the server (needed)
#   FHIRTRIAL_RELEASE   of the server: R4, R4B or R5          [R4]
#   FHIRTRIAL_DATA      folder of the state and the reports   [/var/lib/fhirtrial]
#   FHIRTRIAL_OPTIONS   more options of `fhirtrial load`, such as "--prune --workers 2"
#   FHIRTRIAL_COMMAND   where the command is                  [fhirtrial]
#
# What did not change since last night is not sent: the state says what the server has. If the run is cut off, start it
# again: it goes on where it was, and sending a study twice changes nothing.
#
# Exit codes are those of `fhirtrial load` (0: all is loaded, 1: something was not, the report says what, 2: wrong use,
# 3: the server could not be reached, or did not want us, 130: stopped with Ctrl-C), and 75 if last night's run has not ended yet.
set -euo pipefail

: "${FHIRTRIAL_SERVER:?must be the base URL of a FHIR server, such as http://localhost:8080/fhir}"
release=${FHIRTRIAL_RELEASE:-R4}
data=${FHIRTRIAL_DATA:-/var/lib/fhirtrial}
command=${FHIRTRIAL_COMMAND:-fhirtrial}
read -ra options <<<"${FHIRTRIAL_OPTIONS:-}"
if [ $# -eq 0 ]; then
  echo "usage: sync.sh STUDIES…" >&2
  exit 2
fi

mkdir -p "$data/reports"
exec 9>"$data/lock"
if ! flock --nonblock 9; then
  echo "the last run has not ended yet: nothing was started" >&2
  exit 75
fi

report=$data/reports/$(date +%Y-%m-%dT%H%M%S).json
status=0
"$command" load "$@" --server "$FHIRTRIAL_SERVER" --to "$release" --state "$data/state" --report "$report" \
  ${options[@]+"${options[@]}"} || status=$?

# A month of reports is enough to see when something began.
find "$data/reports" -name '*.json' -mtime +31 -delete
if [ "$status" -ne 0 ]; then
  # Wrong use leaves no report.
  if [ -e "$report" ]; then told="its report: $report"; else told="there is no report"; fi
  echo "fhirtrial load ended with $status; $told" >&2
fi
exit "$status"
