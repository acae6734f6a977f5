# Shared by quickstart and test: packages, build, timing. Sourced by bash, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
# Ranks share the cores of one machine, so each has one thread for its matrix products.
export OPENBLAS_NUM_THREADS=${OPENBLAS_NUM_THREADS:-1}
if [ "$(id -u)" = 0 ]; then  # Open MPI refuses to start as root unless told twice
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# Packages of tools/packages.txt wanted for any of the given needs.
packages_for() {
  local needs=" $* " name need
  while read -r name need; do
    [[ -n $name && $needs == *" $need "* ]] && printf '%s\n' "$name"
  done < <(sed 's/#.*//' "$root/tools/packages.txt")
  return 0
}

missing_packages() {
  local name
  for name in $(packages_for "$@"); do
    [ "$(dpkg-query -W -f='${Status}' "$name" 2>/dev/null)" = 'install ok installed' ] || printf '%s\n' "$name"
  done
}

# Installs what is missing as root; otherwise says what to install and stops.
ensure_packages() {
  if ! command -v apt-get >/dev/null; then
    say "This is no Debian system; what is needed is listed in tools/packages.txt."
    return 0
  fi
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ "${#missing[@]}" -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || die "packages are missing; run: sudo apt-get install --no-install-recommends ${missing[*]}"
  say "Installing ${#missing[@]} packages: ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
      >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "apt-get failed, see above"
  fi
  rm -f "$log"
}

# A command line that switches off address randomisation where that is allowed: the thread
# sanitizer of g++ 12 cannot start under the random layouts of newer kernels.
steady_addresses() {
  if setarch "$(uname -m)" -R true 2>/dev/null; then
    setarch "$(uname -m)" -R "$@"
  else
    "$@"
  fi
}

# build PRESET [TARGET...]: configures and builds into build/PRESET; quiet unless it fails.
build() {
  local preset=$1 log targets=()
  shift
  [ $# = 0 ] || targets=(--target "$@")
  mkdir -p "$root/build/$preset"
  log=$root/build/$preset/build.log
  if ! (cd "$root" && cmake --preset "$preset" && steady_addresses cmake --build --preset "$preset" "${targets[@]}") \
      >"$log" 2>&1; then
    grep -nE 'error|Error|FAILED' "$log" | head -n 20 >&2
    die "building preset $preset failed; the whole log: $log"
  fi
}
