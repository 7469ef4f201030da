"""What a provider's account says of usage and costs: pages of its interface, exports of its console, FOCUS files.

    files, or pages that an admin key fetches (admin_interfaces)
        -> account_files (which statement is which, are its pages whole?)
        -> a reader (openai_account, ...) -> `AccountRow`, streamed

A reader is a pure function: one item of a page or one row of a file -> rows. What it does not say is None, never 0.
"""
