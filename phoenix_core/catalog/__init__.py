"""The catalog: what the core knows besides the vault. Tables, migrations, queries."""
