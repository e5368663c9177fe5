"""JupyterHub for a class on one Linux machine with systemd: one system user a learner, one environment for all.

    make setup                                                    # the course's environment, in /srv/course
    make workshop                                                 # the learner's edition, which is handed out
    .venv/bin/python -m pip install jupyterhub==5.5.4 jupyterhub-systemdspawner==1.0.2
    sudo npm install -g configurable-http-proxy
    sudo .venv/bin/jupyterhub -f docs/jupyterhub_config.py        # http://this-machine:8000

The two packages are not in the course's lock; nothing else in it changes. Learners log in with their system users, so
make those first (`useradd -m anna`). Each gets a copy of the learner's edition, at the first start.
"""

import os

COURSE = os.environ.get("COURSE", "/srv/course")  # the checkout, readable by all; elsewhere: sudo COURSE=/elsewhere ...

c = get_config()  # noqa: F821  (JupyterHub puts it there)

c.JupyterHub.bind_url = "http://:8000"
c.JupyterHub.spawner_class = "systemd"
c.Authenticator.allow_all = True  # all who have a system user and a password here
c.Authenticator.blocked_users = {"root"}

c.Spawner.cmd = [f"{COURSE}/.venv/bin/jupyterhub-singleuser"]
c.Spawner.default_url = "/lab"
c.Spawner.notebook_dir = "~/course"
c.Spawner.environment = {"GROUNDUP_DATA": f"{COURSE}/data", "TF_CPP_MIN_LOG_LEVEL": "3"}
c.SystemdSpawner.mem_limit = "3500M"  # a chapter takes up to 3 GB
c.SystemdSpawner.cpu_limit = 2.0
c.SystemdSpawner.isolate_tmp = True
c.SystemdSpawner.disable_user_sudo = True
c.JupyterHub.active_server_limit = 20  # at 3 GB for each who runs a chapter; the rest get a kind page


def hand_out(spawner):
    """Copy the learner's edition to the learner's home, once, as the learner.

    The hub runs as root, and what lies in a home is the learner's: a link to /etc called `course`, for instance. So the
    copying is left to a process that has the learner's rights and no others.
    """
    import pwd
    import subprocess

    user = pwd.getpwnam(spawner.user.name)
    copy = 'test -e "$2" || { rm -rf "$2.part" && cp -R "$1" "$2.part" && mv "$2.part" "$2"; }'
    words = ["sh", "-c", copy, "sh", f"{COURSE}/build/workshop/learner", os.path.join(user.pw_dir, "course")]
    subprocess.run(
        words,
        check=True,
        user=user.pw_uid,
        group=user.pw_gid,
        cwd="/",
        umask=0o077,
        extra_groups=os.getgrouplist(user.pw_name, user.pw_gid),
    )


c.Spawner.pre_spawn_hook = hand_out
