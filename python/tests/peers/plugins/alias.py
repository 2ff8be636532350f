"""Lets `import msal_extensions` find the package of tokenkeep."""

import tokenkeep.msal_extensions

tokenkeep.msal_extensions.install()
