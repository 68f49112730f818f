"""What a token's scopes let through: the request that arvados-ws would make for an event, tested against them. Pure."""

RESOURCES = {"4zz18": "collections", "j7d0g": "groups", "tpzed": "users", "xvhdp": "container_requests", "dz642": "containers",
             "7fd4e": "workflows", "o0j2j": "links", "2x53u": "virtual_machines", "oss07": "credentials",
             "fngyi": "authorized_keys", "gj3su": "api_client_authorizations", "bi6l4": "keep_services"}


def allows(scopes: list[str], target: str | None) -> bool:
    """`target` is the object that is asked about."""
    if "all" in scopes:
        return True
    if not target:
        return False
    resource = RESOURCES.get(target[6:11]) if len(target) == 27 else "collections" if target[32:33] == "+" else None
    if resource is None:
        return False
    request = f"GET /arvados/v1/{resource}/{target}"
    return any(scope == request or (scope.endswith("/") and request.startswith(scope)) for scope in scopes)
