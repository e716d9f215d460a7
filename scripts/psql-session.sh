# psql-session.sh: psql clients that stay connected while the script goes on; sourced by
# demo, which sets own (a folder), port and PGBIN.

declare -A session_input=() session_process=() session_asked=()
answer=
trap '' PIPE # a psql that is gone shows in ask

# open_session NAME ROLE: starts psql as ROLE, through the pooler.
open_session() {
    local name=$1 role=$2 input
    printf '  %s$ psql -h 127.0.0.1 -p %s -U %s demo\n' "$name" "$port" "$role" >&2
    mkfifo "$own/$name.in"
    stdbuf -oL "$PGBIN/psql" -X -q -A -t -h 127.0.0.1 -p "$port" -U "$role" -d demo \
        <"$own/$name.in" >"$own/$name.out" 2>&1 &
    session_process[$name]=$!
    exec {input}>"$own/$name.in"
    session_input[$name]=$input
    session_asked[$name]=0
}

# ask NAME SQL: runs it in that session, shows both, and sets answer to what psql printed.
ask() {
    local name=$1 sql=$2 asked tries before
    before=$(wc -l <"$own/$name.out")
    asked=$((session_asked[$name] + 1))
    session_asked[$name]=$asked
    printf '  %s=> %s;\n' "$name" "$sql" >&2
    printf '%s;\n\\echo end-of-answer %s\n' "$sql" "$asked" >&"${session_input[$name]}" || return 1
    for tries in $(seq 150); do
        if grep -qx "end-of-answer $asked" "$own/$name.out"; then
            answer=$(tail -n "+$((before + 1))" "$own/$name.out" | grep -v '^end-of-answer ' || true)
            sed 's/^/    /' <<<"$answer" >&2
            return 0
        fi
        kill -0 "${session_process[$name]}" 2>/dev/null || break
        sleep 0.1
    done
    cat "$own/$name.out" >&2
    die "no answer in session $name"
}

# close_sessions: ends all of them, as \q would.
close_sessions() {
    local name input
    for name in "${!session_input[@]}"; do
        input=${session_input[$name]}
        printf '\\q\n' >&"$input" || true
        exec {input}>&-
        wait "${session_process[$name]}" 2>/dev/null || true
        unset "session_input[$name]"
    done
}
