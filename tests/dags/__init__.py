"""The DAGs, read from outside and run by a real Airflow."""
