"""The API of people and programs: jobs, tasks, results, keys, documentation."""
