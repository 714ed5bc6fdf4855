"""What an interpreter is and has, held against the requirements.txt of a package, as JSON.

Run by edgeboot as ``python3 edgeboot_survey.py REQUIREMENTS WHEELS`` with the interpreter that a
model asks for, before anything is built. Installs nothing and asks no network. Standard library
only, and the parts of pip that are beside it where they are; Python 3.6 and newer.
"""

import glob
import hashlib
import importlib
import importlib.util
import json
import os
import platform
import re
import sys
import sysconfig

FILES_MAX = 20
COMPARISONS = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}


def main():
    requirements, wheels = sys.argv[1:3]
    lines, digest = read(requirements)
    packaging = pip_packaging()
    unmet = [text for text in (unmet_text(line, packaging) for line in lines) if text]
    json.dump(
        {
            "executable": sys.executable,
            "real": os.path.realpath(sys.executable),
            "version": platform.python_version(),
            "platform": sysconfig.get_platform(),
            "hasVenv": has("venv") and has("ensurepip"),
            "digest": digest,
            "hasLocalPaths": any(is_local(line) for line in lines),
            "unmet": unmet,
            "foreignWheels": foreign_wheels(wheels, packaging),
            "tag": first_tag(packaging),
        },
        sys.stdout,
    )


def has(module):
    return importlib.util.find_spec(module) is not None


# --- the file -------------------------------------------------------------------------------------


def read(file):
    """Its requirements, those of files that it names included, and a digest of all that was read."""
    digest, lines, files = hashlib.sha256(), [], [os.path.abspath(file)]
    for at in range(FILES_MAX):
        if at >= len(files):
            break
        try:
            with open(files[at], "rb") as stream:
                data = stream.read()
        except OSError:
            continue  # pip will say so
        digest.update(b"%d\n" % len(data))
        digest.update(data)
        text = data.decode("utf-8-sig", "replace").replace("\\\n", " ")
        for line in text.splitlines():
            line = re.sub(r"(^|\s)#.*$", "", line).strip()
            nested = re.match(r"(?:-r|--requirement|-c|--constraint)[ =]\s*(.+)$", line)
            if nested:
                path = os.path.join(os.path.dirname(files[at]), nested.group(1).strip())
                if path not in files:
                    files.append(path)
                if line.startswith(("-c", "--constraint")):
                    lines.append(line)  # what it constrains is not known here
            elif line:
                lines.append(re.sub(r"\s+--hash=\S+", "", line))
    return lines, digest.hexdigest()


def is_local(line):
    """Whether a line names files of the package, whose content decides what is installed."""
    if "file:" in line or line.startswith(("-e", "--editable")):
        return True
    if "://" in line:
        return False
    name = re.split(r"[;\[]", line)[0].strip()
    is_archive = re.search(r"\.(whl|zip|tar(\.\w+)?|tgz|tbz)$", name) is not None
    return "/" in line or is_archive or line.startswith((".", "-f", "--find-links"))


# --- what is installed ----------------------------------------------------------------------------


def unmet_text(line, packaging):
    """Why a line needs an installation, or None."""
    if re.match(r"--(index-url|extra-index-url|find-links|trusted-host|no-index|pre)\b", line):
        return None
    if line.startswith("-") or "://" in line or is_local(line):
        return "%s (only pip can tell)" % line
    try:
        judged = judge(line, packaging) if packaging else judge_plainly(line)
    except Exception:
        return "%s (only pip can tell)" % line
    return judged


def judge(line, packaging):
    requirement = packaging("requirements").Requirement(line)
    if requirement.marker is not None and not requirement.marker.evaluate():
        return None
    version = installed_version(requirement.name)
    if version is None:
        return "%s (not installed)" % line
    if requirement.extras:  # what those take is not known here
        return "%s (only pip can tell)" % line
    if requirement.specifier.contains(version, prereleases=True):
        return None
    return "%s (installed: %s)" % (line, version)


def judge_plainly(line):
    """The common forms, where there is no pip to ask: NAME, NAME==1.2, NAME>=1.2,<2."""
    match = re.match(r"([A-Za-z0-9][\w.-]*)\s*([^\[]*)$", line)
    version = installed_version(match.group(1))
    if version is None:
        return "%s (not installed)" % line
    for part in filter(None, match.group(2).split(",")):
        operator, wanted = re.match(r"\s*(==|!=|>=|<=|>|<)\s*(\d+(?:\.\d+)*)\s*$", part).groups()
        if not COMPARISONS[operator](numbers(version), numbers(wanted)):
            return "%s (installed: %s)" % (line, version)
    return None


def numbers(version):
    found = [int(part) for part in re.match(r"\d+(?:\.\d+)*$", version).group().split(".")]
    while len(found) > 1 and found[-1] == 0:
        found.pop()
    return found


def installed_version(name):
    try:
        from importlib.metadata import PackageNotFoundError, version
    except ImportError:  # before Python 3.8
        import pkg_resources

        try:
            return pkg_resources.get_distribution(name).version
        except pkg_resources.DistributionNotFound:
            return None
    try:
        return version(name)
    except PackageNotFoundError:
        return None


# --- wheels ---------------------------------------------------------------------------------------


def pip_packaging():
    """A function that imports a part of the library that pip itself decides with, or None."""
    for folder in [None] + bundled_pips():
        if folder is not None:
            sys.path.append(folder)
        try:
            importlib.import_module("pip._vendor.packaging.requirements")
            return lambda part: importlib.import_module("pip._vendor.packaging." + part)
        except Exception:
            if folder is not None:
                sys.path.remove(folder)
    return None


def bundled_pips():
    found = []
    try:
        import ensurepip

        found += glob.glob(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "pip-*"))
    except ImportError:
        pass
    return found + glob.glob("/usr/share/python-wheels/pip-*.whl")


def tags_here(packaging):
    try:
        return [str(tag) for tag in packaging("tags").sys_tags()]
    except Exception:  # an old pip, or none
        return []


def first_tag(packaging):
    return (tags_here(packaging) or [None])[0]


def foreign_wheels(folder, packaging):
    """Wheels of distributions of which no wheel suits this interpreter."""
    fit = set(tags_here(packaging))
    if not fit:
        return []
    suits, foreign = set(), {}
    for file in sorted(glob.glob(os.path.join(folder, "*.whl"))):
        parts = os.path.basename(file)[: -len(".whl")].split("-")
        if len(parts) < 5:
            foreign.setdefault(parts[0].lower(), []).append(os.path.basename(file))
            continue
        pythons, abis, platforms = (part.split(".") for part in parts[-3:])
        tags = {"%s-%s-%s" % (p, a, o) for p in pythons for a in abis for o in platforms}
        name = re.sub(r"[-_.]+", "_", parts[0]).lower()
        if tags & fit:
            suits.add(name)
        else:
            foreign.setdefault(name, []).append(os.path.basename(file))
    return [file for name in foreign if name not in suits for file in foreign[name]]


if __name__ == "__main__":
    main()
