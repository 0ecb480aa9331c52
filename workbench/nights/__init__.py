"""Every night: schedules, golden samples, the morning report, retention."""
