"""The demo: an orchestrator that queues jobs, workers that index what they find, and a page that shows both."""
