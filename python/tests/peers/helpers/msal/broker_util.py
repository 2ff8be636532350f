"""The broker is a program of Windows and macOS."""


def is_pymsalruntime_installed():
    return False
