"""How the program comes onto servers: wheels that the core serves, the installer, services, versions side by side."""
