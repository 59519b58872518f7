"""The port: what the file system needs of a cluster, and the adapters that give it over FirecREST v1 and v2."""
