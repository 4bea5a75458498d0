"""DynamoDB: PynamoDB models and the one implementation of the port `Store`. PynamoDB lives only here."""

from orchestrator.store.dynamo import DynamoStore

__all__ = ["DynamoStore"]
