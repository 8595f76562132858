"""A board of tasks that several people move around at the same time.

    pip install ringcast fastapi uvicorn
    uvicorn task_board:app

Changes go through REST and are published to `project:{id}`; whoever made one does not get it back,
on none of his devices. Who views a project is presence. The same session token is good for both
doors, and the application decides at each subscribe who is a member.
"""

import os
import secrets
from typing import Annotated, Any, Literal

import ringcast
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

Status = Literal["todo", "doing", "done"]

rc = ringcast.Engine(
    listen=os.environ.get("BOARD_REALTIME", "127.0.0.1:8800"),
    settings={"namespace.project.history_size": 500, "namespace.project.history_ttl_s": 3600},
)
app = FastAPI(lifespan=rc.lifespan)


class Task(BaseModel):
    id: str
    project: str
    title: str
    status: Status = "todo"
    order: int = 0
    assignee: str | None = None


# Where your database stands.
sessions: dict[str, str] = {}
members: dict[str, set[str]] = {}
tasks: dict[str, Task] = {}


# ---- who asks ----


class Login(BaseModel):
    user: str = Field(pattern=r"^[A-Za-z0-9_.~-]{1,120}$")


@app.post("/login")
async def login(who: Login) -> dict[str, str]:
    """Your own check of a password stands here."""
    token = secrets.token_urlsafe(24)
    sessions[token] = who.user
    return {"token": token, "realtime": f"ws://{rc.address}/ws"}


@rc.session_token
def identity(token: str) -> ringcast.Identity | None:
    """Whose a token is, asked once for each connection."""
    user = sessions.get(token)
    if user is None:
        return None
    return ringcast.Identity(user, presence=[f"project:{each}" for each in projects_of(user)])


@rc.authorize("project:{project}")
def may_view(ctx: ringcast.Context, project: str) -> bool:
    return ctx.user in members.get(project, ())


def projects_of(user: str) -> list[str]:
    return [project for project, users in members.items() if user in users]


def user_of(authorization: Annotated[str, Header()]) -> str:
    user = sessions.get(authorization.removeprefix("Bearer "))
    if user is None:
        raise HTTPException(401, "log in first")
    return user


User = Annotated[str, Depends(user_of)]


def member_of(project: str, user: User) -> str:
    if user not in members.get(project, ()):
        raise HTTPException(404, "there is no such project")
    return user


def task_of(id: str, user: User) -> Task:
    task = tasks.get(id)
    if task is None or user not in members[task.project]:
        raise HTTPException(404, "there is no such task")
    return task


Member = Annotated[str, Depends(member_of)]
Known = Annotated[Task, Depends(task_of)]


# ---- projects ----


class NewProject(BaseModel):
    id: str = Field(pattern=r"^[A-Za-z0-9_.~-]{1,120}$")
    users: list[str] = []


@app.post("/projects")
async def make_project(new: NewProject, user: User) -> dict[str, list[str]]:
    if new.id in members:
        raise HTTPException(409, "this project is there already")
    members[new.id] = {user, *new.users}
    return {"users": sorted(members[new.id])}


@app.delete("/projects/{project}/members/{who}")
async def expel(project: str, who: str, user: Member) -> dict[str, int]:
    """He is no member from here on, and his open boards close."""
    members[project].discard(who)
    return {"closed": await rc.kick(who, f"project:{project}")}


@app.get("/projects/{project}/tasks")
async def board(project: str, user: Member) -> list[Task]:
    here = (task for task in tasks.values() if task.project == project)
    return sorted(here, key=lambda task: (task.status, task.order))


@app.get("/projects/{project}/viewers")
async def viewers(project: str, user: Member) -> dict[str, Any]:
    page = await rc.presence(f"project:{project}")
    return {"users": page.users, "count": page.count}


# ---- tasks: each change is one event ----


class NewTask(BaseModel):
    title: str = Field(min_length=1, max_length=200)


class Changes(BaseModel):
    title: str | None = Field(default=None, min_length=1, max_length=200)
    assignee: str | None = None


class Move(BaseModel):
    status: Status
    order: int = Field(ge=0)


async def tell(task: Task, event: str, data: dict[str, Any], user: str) -> None:
    await rc.publish(f"project:{task.project}", data, event=event, exclude_user=user)


@app.post("/projects/{project}/tasks")
async def create(project: str, new: NewTask, user: Member) -> Task:
    task = Task(id=secrets.token_hex(8), project=project, title=new.title)
    tasks[task.id] = task
    await tell(task, "task:created", {"task": task.model_dump()}, user)
    return task


@app.patch("/tasks/{id}")
async def update(task: Known, changes: Changes, user: User) -> Task:
    made = changes.model_dump(exclude_unset=True)
    for name, value in made.items():
        setattr(task, name, value)
    await tell(task, "task:updated", {"task": task.model_dump(), "changes": made}, user)
    return task


@app.post("/tasks/{id}/move")
async def move(task: Known, to: Move, user: User) -> Task:
    before, task.status, task.order = task.status, to.status, to.order
    moved = {"taskId": task.id, "fromStatus": before, "toStatus": to.status, "order": to.order}
    await tell(task, "task:moved", moved, user)
    return task


@app.delete("/tasks/{id}")
async def delete(task: Known, user: User) -> dict[str, str]:
    del tasks[task.id]
    await tell(task, "task:deleted", {"taskId": task.id}, user)
    return {"deleted": task.id}
