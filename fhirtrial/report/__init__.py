"""Accounts for people: where every field goes, what a study says, what a run did."""
