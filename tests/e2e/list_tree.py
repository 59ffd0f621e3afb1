"""list_tree.py DIR: a line for everything below DIR: kind, mode, owners, time, names, target, attributes, content."""
import hashlib
import os
import stat
import sys

top = os.fsencode(sys.argv[1])


def line(path):
    st = os.lstat(path)
    kind = stat.S_IFMT(st.st_mode)
    words = [oct(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns, st.st_rdev]
    if kind != stat.S_IFDIR:
        words += [st.st_size, st.st_nlink]
    if kind == stat.S_IFLNK:
        words.append(os.readlink(path))
    if kind == stat.S_IFREG:
        with open(path, "rb") as file:
            words.append(hashlib.sha256(file.read()).hexdigest())
    words += sorted((name, os.getxattr(path, name, follow_symlinks=False))
                    for name in os.listxattr(path, follow_symlinks=False))
    return " ".join(str(word) for word in words)


for directory, names, files in os.walk(top):
    names.sort()
    for name in [b"."] + sorted(names + files):
        path = os.path.join(directory, name)
        print(os.path.relpath(path, top), line(path))
