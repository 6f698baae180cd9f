#!/bin/sh
# Install what some tests start for themselves: PostgreSQL with PostGIS, and Chromium; never fails.
apt() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    echo "Installing $1 ..."
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -qq -y --no-install-recommends "$1"; } >/dev/null 2>&1
}

ls /usr/lib/postgresql/*/bin/initdb /usr/share/postgresql/*/extension/postgis.control >/dev/null 2>&1 ||
    apt postgresql-15-postgis-3 ||
    echo "The tests of live archives are skipped: they need PostgreSQL with PostGIS (Debian: postgresql-15-postgis-3)."
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
apt chromium || echo "The tests of the report in a browser are skipped: they need Chromium (Debian: chromium)."
