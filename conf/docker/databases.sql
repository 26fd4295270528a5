-- Run once, when Postgres starts on an empty volume.
CREATE DATABASE airflow;
CREATE DATABASE mlflow;
