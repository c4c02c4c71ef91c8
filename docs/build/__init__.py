"""What generates the pages of ``docs/`` that are generated: ``make docs``."""
