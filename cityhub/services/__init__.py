"""The hub's private services: a broker and a database of its own, where no URL names others."""

from cityhub.services.broker import Broker, start_broker
from cityhub.services.database import Database, start_database
from cityhub.services.errors import ServiceError

__all__ = ["Broker", "Database", "ServiceError", "start_broker", "start_database"]
