"""The resident processes of Retag: what lives beside Argo CD and answers its plugin."""
