"""What is remembered: DuckDB, LanceDB and the spool. Imports nothing of ours."""
