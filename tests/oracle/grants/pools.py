"""The objects of the world, by name: a fixed number of each class, each there or not at a time."""

from dataclasses import dataclass, field

from support.arvados import CLUSTER

ALL_USERS = f"{CLUSTER}-j7d0g-fffffffffffffff"
ANONYMOUS_GROUP = f"{CLUSTER}-j7d0g-anonymouspublic"
ANONYMOUS_USER = f"{CLUSTER}-tpzed-anonymouspublic"
KEEP_SERVICE = f"{CLUSTER}-bi6l4-000000000000000"

#: Infix and table of each class whose objects come and go.
TABLES = {"4zz18": "collections", "j7d0g": "groups", "tpzed": "users", "xvhdp": "container_requests", "dz642": "containers",
          "7fd4e": "workflows", "o0j2j": "links", "2x53u": "virtual_machines", "oss07": "credentials",
          "fngyi": "authorized_keys", "gj3su": "api_client_authorizations", "bi6l4": "keep_services"}


def named(kind: str, name: str, count: int) -> list[str]:
    """zzzzz-4zz18-coll00000000000, and so on."""
    return [f"{CLUSTER}-{kind}-{name}{number:0{15 - len(name)}d}" for number in range(count)]


def table_of(uuid: str) -> str:
    return TABLES[uuid[6:11]]


@dataclass(frozen=True)
class Pools:
    users: list[str]
    roles: list[str] = field(default_factory=lambda: named("j7d0g", "role", 5))
    projects: list[str] = field(default_factory=lambda: named("j7d0g", "proj", 14))
    filters: list[str] = field(default_factory=lambda: named("j7d0g", "filt", 3))
    links: list[str] = field(default_factory=lambda: named("o0j2j", "link", 40))
    stars: list[str] = field(default_factory=lambda: named("o0j2j", "star", 6))
    collections: list[str] = field(default_factory=lambda: named("4zz18", "coll", 20))
    versions: list[str] = field(default_factory=lambda: named("4zz18", "past", 8))
    requests: list[str] = field(default_factory=lambda: named("xvhdp", "reqs", 12))
    containers: list[str] = field(default_factory=lambda: named("dz642", "cont", 8))
    workflows: list[str] = field(default_factory=lambda: named("7fd4e", "flow", 6))
    machines: list[str] = field(default_factory=lambda: named("2x53u", "mach", 3))
    credentials: list[str] = field(default_factory=lambda: named("oss07", "cred", 3))
    keys: list[str] = field(default_factory=lambda: named("fngyi", "keys", 3))
    tokens: list[str] = field(default_factory=lambda: named("gj3su", "tokn", 6))

    @staticmethod
    def of(users: int) -> "Pools":
        return Pools(named("tpzed", "user", users))

    @property
    def owned(self) -> list[str]:
        """What people own, apart from projects."""
        return [*self.collections, *self.requests, *self.workflows, *self.machines, *self.credentials, *self.keys,
                *self.filters]

    @property
    def all(self) -> list[str]:
        return [*self.owned, *self.versions, *self.projects, *self.roles, *self.users, *self.links, *self.stars,
                *self.containers, *self.tokens]
