"""The object store of staged transfers: moto's S3 in a process of its own, with the content kept in files."""
