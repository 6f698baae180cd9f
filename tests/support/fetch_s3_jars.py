"""Fetches Hadoop's jars for S3, which some slow tests need: about 560 MB, once."""

from geosr_lake.lake.bucket import SPARK_JARS
from geosr_lake.lake.session import spark_session

if __name__ == "__main__":
    spark_session(tell=print, more_jars=SPARK_JARS).stop()
