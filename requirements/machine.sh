#!/bin/sh
# Says in one sentence what the machine lacks, before anything is downloaded. Usage: machine.sh PYTHON [java]
python="$1"

if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
    echo "Python 3.11 is needed and '$python' is not it: install Python 3.11, or name it as in 'make demo PYTHON=/path/to/python3.11'." >&2
    exit 4
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "'$python' cannot make environments: install its venv module (on Debian and Ubuntu: python3.11-venv)." >&2
    exit 4
fi
[ "$2" = java ] || exit 0

# Spark starts the Java of JAVA_HOME if it is set, else the one on PATH.
java="${JAVA_HOME:+$JAVA_HOME/bin/}java"
if ! said="$("$java" -version 2>&1)"; then
    echo "Java 17 is needed and '$java' does not start: install a Java 17 runtime (on Debian and Ubuntu: openjdk-17-jre-headless) and put it on PATH or set JAVA_HOME." >&2
    exit 4
fi
case "$said" in
*'version "17.'* | *'version "17"'* | *'version "17-'*) ;;
*)
    found="${said#*version \"}"
    echo "Java 17 is needed and '$java' is version ${found%%\"*}: install a Java 17 runtime and set JAVA_HOME to it." >&2
    exit 4
    ;;
esac
