"""Adapters: each turns the life of one kind of model into rows for the recorder. They do no maths of their own."""
