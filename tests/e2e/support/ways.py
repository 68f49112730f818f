"""Each way in which a user comes to may read an object, and ceases to."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from support.arvados import SYSTEM_USER
from support.institute import Institute


@dataclass
class Way:
    """`event` commits one about the object (inside a transaction, as part of it); the user may read it at first."""

    event: Callable[[], int]
    revoke: Callable[[], object]
    grant: Callable[[], object]


class LinkBetween:
    """A permission link that comes and goes."""

    def __init__(self, institute: Institute, tail: str, head: str, name: str = "can_read") -> None:
        self._institute = institute
        self._ends = (tail, head, name)
        self._uuid = institute.grant(*self._ends)

    def revoke(self) -> None:
        self._institute.destroy(self._uuid)

    def grant(self) -> None:
        self._uuid = self._institute.grant(*self._ends)


def shared_project(of: Institute, user: str) -> str:
    project = of.project(of.user())
    of.grant(user, project)
    return project


def foreign_project(of: Institute) -> str:
    return of.project(of.user())


def moved(of: Institute, uuid: str, here: str, there: str, about: str) -> Way:
    """`uuid` is moved from `here` to `there`, and back; events are about `about`."""
    return Way(partial(of.event, about), partial(of.change, uuid, owner_uuid=there), partial(of.change, uuid, owner_uuid=here))


def link(of: Institute, user: str) -> Way:
    project = foreign_project(of)
    way = LinkBetween(of, user, project)
    return Way(partial(of.event, of.collection(project)), way.revoke, way.grant)


def link_to_the_object(of: Institute, user: str) -> Way:
    collection = of.collection(foreign_project(of))
    way = LinkBetween(of, user, collection)
    return Way(partial(of.event, collection), way.revoke, way.grant)


def level_of_a_link(of: Institute, user: str) -> Way:
    """Only who can manage the project sees its permission links."""
    project = foreign_project(of)
    level = of.grant(user, project, "can_manage")
    other = of.grant(of.user(), project)
    return Way(partial(of.event, other), partial(of.change, level, name="can_read"), partial(of.change, level, name="can_manage"))


def unknown_name_of_a_link(of: Institute, user: str) -> Way:
    project = foreign_project(of)
    way = of.grant(user, project)
    return Way(partial(of.event, project), partial(of.change, way, name="can_dance"), partial(of.change, way, name="can_login"))


def move_of_the_object(of: Institute, user: str) -> Way:
    here, there = shared_project(of, user), foreign_project(of)
    collection = of.collection(here)
    return moved(of, collection, here, there, collection)


def move_of_its_project(of: Institute, user: str) -> Way:
    here, there = shared_project(of, user), foreign_project(of)
    project = of.project(here)
    return moved(of, project, here, there, of.collection(project))


def membership(of: Institute, user: str) -> Way:
    role, project = of.role(), foreign_project(of)
    of.grant(role, project)
    way = LinkBetween(of, user, role)
    return Way(partial(of.event, of.collection(project)), way.revoke, way.grant)


def grant_to_the_role(of: Institute, user: str) -> Way:
    role, project = of.role(), foreign_project(of)
    of.grant(user, role)
    way = LinkBetween(of, role, project)
    return Way(partial(of.event, of.project(project)), way.revoke, way.grant)


def trash(of: Institute, user: str) -> Way:
    """Of a class that is not to be had from the trash."""
    project = shared_project(of, user)
    inner = of.project(project)
    workflow = of.create("workflows", owner_uuid=inner)
    return Way(partial(of.event, workflow), partial(of.change, project, trash_at=True), partial(of.change, project, trash_at=False))


def freeze_in_the_trash(of: Institute, user: str) -> Way:
    """A collection in the trash can be read until its project is frozen too."""
    project = shared_project(of, user)
    collection = of.collection(project)
    of.change(project, trash_at=True)
    return Way(partial(of.event, collection), partial(of.change, project, frozen_by_uuid=user),
               partial(of.change, project, frozen_by_uuid=None))


def trash_in_a_frozen_project(of: Institute, user: str) -> Way:
    project = shared_project(of, user)
    collection = of.collection(project)
    of.change(project, frozen_by_uuid=user)
    return Way(partial(of.event, collection), partial(of.change, collection, trash_at=True),
               partial(of.change, collection, trash_at=False))


def deactivation(of: Institute, user: str) -> Way:
    """Role groups are visible to users who are active."""
    role = of.role()
    return Way(partial(of.event, role), partial(of.change, user, is_active=False), partial(of.change, user, is_active=True))


def deactivation_of_another(of: Institute, user: str) -> Way:
    other = of.user()
    of.grant(user, other)
    return Way(partial(of.event, other), partial(of.change, other, is_active=False), partial(of.change, other, is_active=True))


def merge_of_another(of: Institute, user: str) -> Way:
    other = of.user()
    of.grant(user, other)
    return Way(partial(of.event, other), partial(of.change, other, redirect_to_user_uuid=SYSTEM_USER),
               partial(of.change, other, redirect_to_user_uuid=None))


def role_group(of: Institute, user: str) -> Way:
    """Whether a group is a role."""
    group = of.role()
    return Way(partial(of.event, group), partial(of.change, group, group_class="project"),
               partial(of.change, group, group_class="role"))


def managed_user(of: Institute, user: str) -> Way:
    other = of.user()
    collection = of.collection(other)
    way = LinkBetween(of, user, other, "can_manage")
    return Way(partial(of.event, collection), way.revoke, way.grant)


def what_a_managed_user_is_granted(of: Institute, user: str) -> Way:
    other, project = of.user(), foreign_project(of)
    of.grant(user, other, "can_manage")
    way = LinkBetween(of, other, project)
    return Way(partial(of.event, of.collection(project)), way.revoke, way.grant)


def administrator(of: Institute, user: str) -> Way:
    of.change(user, is_admin=True)
    return Way(partial(of.event, of.collection(foreign_project(of))), partial(of.change, user, is_admin=False),
               partial(of.change, user, is_admin=True))


def container_of_a_request(of: Institute, user: str) -> Way:
    container = of.create("containers", owner_uuid=SYSTEM_USER, state="Running")
    request = of.create("container_requests", owner_uuid=shared_project(of, user), container_uuid=container, state="Committed")
    return Way(partial(of.event, container), partial(of.change, request, container_uuid=None),
               partial(of.change, request, container_uuid=container))


def container_of_a_moved_request(of: Institute, user: str) -> Way:
    here, there = shared_project(of, user), foreign_project(of)
    container = of.create("containers", owner_uuid=SYSTEM_USER, state="Running")
    request = of.create("container_requests", owner_uuid=here, container_uuid=container, state="Committed")
    return moved(of, request, here, there, container)


def workflow_through_its_collection(of: Institute, user: str) -> Way:
    here, there = shared_project(of, user), foreign_project(of)
    collection = of.collection(here)
    return moved(of, collection, here, there, of.create("workflows", owner_uuid=there, collection_uuid=collection))


def workflow_that_gets_a_collection(of: Institute, user: str) -> Way:
    project = shared_project(of, user)
    hidden = of.collection(foreign_project(of))
    workflow = of.create("workflows", owner_uuid=project)
    return Way(partial(of.event, workflow), partial(of.change, workflow, collection_uuid=hidden),
               partial(of.change, workflow, collection_uuid=None))


def content_address(of: Institute, user: str) -> Way:
    """By the hash of what is in it."""
    pdh = "00000000000000000000000000000123+57"
    here, there = shared_project(of, user), foreign_project(of)
    collection = of.collection(here, portable_data_hash=pdh)
    return moved(of, collection, here, there, pdh)


def deletion(of: Institute, user: str) -> Way:
    """Whoever may read the owner."""
    project = foreign_project(of)
    way = LinkBetween(of, user, project)
    gone = of.collection(project)
    return Way(partial(of.event, gone, event_type="delete", object_owner_uuid=project), way.revoke, way.grant)


WAYS: list[Callable[[Institute, str], Way]] = [
    link, link_to_the_object, level_of_a_link, unknown_name_of_a_link, move_of_the_object, move_of_its_project, membership,
    grant_to_the_role, trash, freeze_in_the_trash, trash_in_a_frozen_project, deactivation, deactivation_of_another,
    merge_of_another, role_group,
    managed_user, what_a_managed_user_is_granted, administrator, container_of_a_request, container_of_a_moved_request,
    workflow_through_its_collection, workflow_that_gets_a_collection, content_address, deletion,
]
