"""The file system itself. It knows neither pyfuse3 nor HTTP, only the cluster port."""
