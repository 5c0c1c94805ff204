"""Weight files: reading, fitting, translating; nothing read runs code."""
