"""JupyterHub for one room: a password for the class, an account and a copy of the course for whoever signs in."""

import os
import pwd
import subprocess

c = get_config()  # noqa: F821  given by JupyterHub

c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = os.environ["CLASS_PASSWORD"]  # no default: without one the hub does not start
c.Authenticator.allow_all = True
c.Authenticator.username_pattern = r"[a-z][a-z0-9-]{0,30}"
c.LocalAuthenticator.create_system_users = True
c.Spawner.default_url = "/lab/tree/course"
c.Spawner.environment = {"OMP_NUM_THREADS": "2"}
c.Spawner.mem_limit = "4G"


def make_home(spawner) -> None:
    """An account and `~/course`; what a learner wrote there stays, a newer course is merged in."""
    name = spawner.user.name
    try:
        pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", name], check=True)
    make = ["gptoss-edu", "workshop", "course", "--update"]
    subprocess.run(["runuser", "-u", name, "--", *make], cwd=f"/home/{name}", check=True)


c.Spawner.pre_spawn_hook = make_home
