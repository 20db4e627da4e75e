"""What deserves a person: checks, rules, alarms, notification."""
