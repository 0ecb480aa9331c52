"""One Label Studio: its client, tasks, push, pull, webhooks, a server of one's own."""
