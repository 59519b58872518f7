"""FirecREST version 2 (2.5), as its servers answer."""
