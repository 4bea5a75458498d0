"""The container's limits, read from trees as kernels, engines and kubelets make them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from worker import cgroup
from worker.settings import cpus, memory_of_a_slot

MEBIBYTE = 1024 * 1024
V1_NO_LIMIT = "9223372036854771712"


def make_tree(root: Path, own: str, mounts: dict[str, str], files: dict[str, str]) -> Path:
    """Make a root. `mounts`: mount point to "root type options", `files`: path to content."""
    lines = [f"25 1 0:23 / {root} rw shared:1 - ext4 /dev/sda1 rw"]
    for number, (point, mount) in enumerate(mounts.items(), 30):
        inside, kind, options = mount.split(" ")
        lines.append(
            f"{number} 25 0:26 {inside} {point} rw,nosuid shared:9 - {kind} cgroup {options}"
        )
    files = files | {"/proc/self/cgroup": own, "/proc/self/mountinfo": "\n".join(lines)}
    for path, content in files.items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content + "\n")
    return root


V2 = {"/sys/fs/cgroup": "/ cgroup2 rw"}


def test_a_container_with_a_namespace_of_its_own_sees_its_limits_at_the_top(tmp_path: Path) -> None:
    files = {"/sys/fs/cgroup/memory.max": "536870912", "/sys/fs/cgroup/cpu.max": "150000 100000"}
    root = make_tree(tmp_path, "0::/", V2, files)
    assert cgroup.memory_limit_bytes(root) == 512 * MEBIBYTE
    assert cgroup.cpu_limit(root) == 1.5


def test_the_lowest_limit_of_the_own_group_and_those_above_holds(tmp_path: Path) -> None:
    files = {
        "/sys/fs/cgroup/kubepods/memory.max": "max",
        "/sys/fs/cgroup/kubepods/cpu.max": "400000 100000",
        "/sys/fs/cgroup/kubepods/pod1/memory.max": "1073741824",
        "/sys/fs/cgroup/kubepods/pod1/cpu.max": "50000 100000",
        "/sys/fs/cgroup/kubepods/pod1/worker/memory.max": "2147483648",
        "/sys/fs/cgroup/kubepods/pod1/worker/cpu.max": "max 100000",
        "/sys/fs/cgroup/kubepods/pod2/memory.max": "1",
    }
    root = make_tree(tmp_path, "0::/kubepods/pod1/worker", V2, files)
    assert cgroup.memory_limit_bytes(root) == 1024 * MEBIBYTE
    assert cgroup.cpu_limit(root) == 0.5


def test_no_limit_is_none(tmp_path: Path) -> None:
    files = {"/sys/fs/cgroup/a/memory.max": "max", "/sys/fs/cgroup/a/cpu.max": "max 100000"}
    root = make_tree(tmp_path, "0::/a", V2, files)
    assert cgroup.memory_limit_bytes(root) is None
    assert cgroup.cpu_limit(root) is None


V1 = {
    "/sys/fs/cgroup/cpu,cpuacct": "/docker/abc cgroup rw,cpu,cpuacct",
    "/sys/fs/cgroup/memory": "/docker/abc cgroup rw,memory",
}
V1_OWN = "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc"


def test_version_1_has_a_hierarchy_for_each_controller(tmp_path: Path) -> None:
    files = {
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912",
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "250000",
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
    }
    root = make_tree(tmp_path, V1_OWN, V1, files)
    assert cgroup.memory_limit_bytes(root) == 512 * MEBIBYTE
    assert cgroup.cpu_limit(root) == 2.5


def test_version_1_says_none_by_a_huge_number_and_a_negative_one(tmp_path: Path) -> None:
    files = {
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": V1_NO_LIMIT,
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
        "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
    }
    root = make_tree(tmp_path, V1_OWN, V1, files)
    assert cgroup.memory_limit_bytes(root) is None
    assert cgroup.cpu_limit(root) is None


def test_where_both_versions_are_mounted_a_controller_is_looked_for_where_it_is(
    tmp_path: Path,
) -> None:
    files = {
        "/sys/fs/cgroup/memory/job/memory.limit_in_bytes": "268435456",
        "/sys/fs/cgroup/unified/job/memory.max": "1",
        "/sys/fs/cgroup/unified/job/cpu.max": "100000 100000",
    }
    mounts = {
        "/sys/fs/cgroup/memory": "/ cgroup rw,memory",
        "/sys/fs/cgroup/unified": "/ cgroup2 rw",
    }
    root = make_tree(tmp_path, "4:memory:/job\n0::/job", mounts, files)
    assert cgroup.memory_limit_bytes(root) == 256 * MEBIBYTE
    assert cgroup.cpu_limit(root) == 1.0


@pytest.mark.parametrize("own", ["/docker/abc", "/../other", "/kubepods/pod1/gone"])
def test_a_path_of_the_machine_that_is_not_seen_falls_back_to_what_is_mounted(
    tmp_path: Path, own: str
) -> None:
    files = {"/sys/fs/cgroup/memory.max": "268435456"}
    root = make_tree(tmp_path, f"0::{own}", {"/sys/fs/cgroup": "/host/part cgroup2 rw"}, files)
    assert cgroup.memory_limit_bytes(root) == 256 * MEBIBYTE


def test_a_mount_point_with_a_space_is_found(tmp_path: Path) -> None:
    files = {"/mnt/my groups/memory.max": "268435456"}
    root = make_tree(tmp_path, "0::/", {r"/mnt/my\040groups": "/ cgroup2 rw"}, files)
    assert cgroup.memory_limit_bytes(root) == 256 * MEBIBYTE


def test_a_system_without_cgroups_has_no_limits(tmp_path: Path) -> None:
    assert cgroup.memory_limit_bytes(tmp_path) is None
    assert cgroup.cpu_limit(tmp_path) is None
    assert cgroup.oom_events(tmp_path) is None


def test_kills_for_memory_are_counted_where_each_version_does(tmp_path: Path) -> None:
    two = make_tree(tmp_path / "2", "0::/", V2, {"/sys/fs/cgroup/memory.events": "oom_kill 0"})
    one = make_tree(
        tmp_path / "1", V1_OWN, V1, {"/sys/fs/cgroup/memory/memory.oom_control": "oom_kill 0"}
    )
    assert cgroup.oom_events(two) == two / "sys/fs/cgroup/memory.events"
    assert cgroup.oom_events(one) == one / "sys/fs/cgroup/memory/memory.oom_control"


@pytest.mark.parametrize(
    ("quota", "slots"),
    [("max 100000", 8), ("50000 100000", 1), ("100000 100000", 1), ("210000 100000", 3)],
)
def test_slots_are_the_quota_rounded_up_within_the_cpus_that_may_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, slots: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    root = make_tree(tmp_path, "0::/", V2, {"/sys/fs/cgroup/cpu.max": quota})
    assert cpus(root) == slots


def test_a_quota_above_the_cpus_that_may_be_used_gives_no_more_slots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    root = make_tree(tmp_path, "0::/", V2, {"/sys/fs/cgroup/cpu.max": "400000 100000"})
    assert cpus(root) == 1


@pytest.mark.parametrize("limit", [256 * MEBIBYTE, 512 * MEBIBYTE, 2048 * MEBIBYTE])
@pytest.mark.parametrize("slots", [1, 2, 5])
def test_the_slots_together_leave_the_container_room_for_the_worker(
    tmp_path: Path, limit: int, slots: int
) -> None:
    root = make_tree(tmp_path, "0::/", V2, {"/sys/fs/cgroup/memory.max": str(limit)})
    share = memory_of_a_slot(slots, root)
    assert limit // 3 < share * slots <= limit - min(256 * MEBIBYTE, limit // 2)
