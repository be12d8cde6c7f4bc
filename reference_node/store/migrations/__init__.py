"""Migrations of receipts.db, run by Alembic when the store is opened."""
