#!/bin/sh
# Install PostgreSQL with PostGIS, which the tests of live archives start for themselves; never fails.
if ls /usr/lib/postgresql/*/bin/initdb /usr/share/postgresql/*/extension/postgis.control >/dev/null 2>&1; then
    exit 0
fi
package=postgresql-15-postgis-3
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing $package ..."
    export DEBIAN_FRONTEND=noninteractive
    if { apt-get update -qq && apt-get install -qq -y --no-install-recommends "$package"; } >/dev/null 2>&1; then
        exit 0
    fi
fi
echo "The tests of live archives are skipped: they need PostgreSQL with PostGIS (Debian: $package)."
