"""FirecREST version 1 (1.16), as its servers answer."""
