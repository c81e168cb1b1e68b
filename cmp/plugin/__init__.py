"""What Argo CD runs for each request: render, ask the resolver, write the answer.

Standard library only, and of that as little as will do: a request pays for each import.
"""
