"""One run worked on by many processes: workers, the driver that offers them work, and engines."""
