//! Numbers with check digits: licence identifiers, identity cards, company codes.
