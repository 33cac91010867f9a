"""Apache Spark as what runs tasks (docs/adr/0016). pyspark is the extra `spark`."""
