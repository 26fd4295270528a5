"""What people call their columns and their events: the vocabulary that `guess` reads names with."""

from __future__ import annotations

import re
import unicodedata

_ID_WORDS = (
    *("identifier", "identificador", "nummer", "number", "numero", "code", "key", "hash", "uuid"),
    *("guid", "uid", "num", "ref", "ids", "id", "nr", "no"),
)

# Stems without their id word, the most telling first; compared without case, accents and marks.
STEMS: dict[str, tuple[str, ...]] = {
    "user_id": (
        *("user", "customer", "client", "visitor", "member", "usr", "cust", "uid", "account"),
        *("reviewer", "person", "buyer", "shopper", "subscriber", "reader", "viewer", "listener"),
        *("household", "player", "profile", "fullvisitor", "msno", "kunde", "kunden", "nutzer"),
        *("benutzer", "besucher", "utilisateur", "usager", "usuario", "cliente", "comprador"),
        *("utente", "gebruiker", "klant", "uzytkownik", "klient", "kullanici", "musteri", "kund"),
        *("email", "cookie", "device", "session", "usersession"),
    ),
    "item_id": (
        *("item", "product", "parentasin", "movie", "article", "sku", "asin", "isbn", "stock"),
        *("prod", "film", "song", "track", "book", "video", "game", "content", "artist", "listing"),
        *("business", "recipe", "course", "hotel", "offer", "goods", "anime", "news", "creative"),
        *("ean", "gtin", "upc", "barcode", "artikel", "produkt", "produit", "articulo", "producto"),
        *("articolo", "prodotto", "produto", "tuote", "vare", "urun", "tovar"),
    ),
    "time": (
        *("eventtime", "eventtimestamp", "timestamp", "ts", "datetime", "time", "occurredat"),
        *("eventdate", "unixtimestamp", "unixreviewtime", "invoicedate", "orderdate"),
        *("purchasedate", "transactiondate", "tdat", "createdat", "created", "date", "dat", "at"),
        *(
            "unix",
            "epoch",
            "day",
            "datum",
            "zeit",
            "zeitpunkt",
            "zeitstempel",
            "heure",
            "horodatage",
        ),
        *("fecha", "hora", "data", "ora", "tijd", "tid", "zaman", "tarih"),
    ),
    "type": (
        *("eventtype", "event", "behavior", "behaviour", "behaviortype", "interactiontype"),
        *("interaction", "action", "actiontype", "eventname", "activity", "feedbacktype", "verb"),
        *("type", "ereignis", "aktion", "evenement", "evento", "accion"),
    ),
    "value": ("rating", "stars", "score", "overall", "bewertung", "sterne", "punkte", "value"),
    "quantity": (
        *("quantity", "qty", "units", "pieces", "menge", "anzahl", "stueck", "quantite"),
        *("cantidad", "quantita", "quantidade", "aantal", "antal"),
    ),
    "price": (
        *("unitprice", "price", "itemprice", "einzelpreis", "preis", "stueckpreis", "prix"),
        *("precio", "prezzo", "preco", "prijs", "pris", "cost"),
    ),
    "region": (
        *("region", "country", "countrycode", "market", "countryname", "geo", "state", "land"),
        *("laendercode", "pays", "pais", "paese", "city", "location"),
    ),
    "title": (
        *("title", "itemname", "productname", "movietitle", "name", "description", "desc"),
        *("bezeichnung", "artikelname", "titel", "titre", "titulo", "titolo", "nombre", "libelle"),
    ),
    "category": (
        *("category", "categoryname", "genre", "genres", "categories", "cat", "department"),
        *("productgroup", "kategorie", "warengruppe", "categorie", "categoria", "producttype"),
    ),
    "event_id": ("event", "uuid", "guid", "message", "insert", "log", "hit", "record", "row"),
    "request_id": (
        *("request", "req", "impression", "invoice", "order", "transaction", "basket", "receipt"),
        *("rechnung", "rechnungs", "bestell", "bestellung", "bon", "beleg", "facture", "pedido"),
    ),
    "position": ("position", "pos", "slot", "rank"),
    "propensity": ("propensity", "propensityscore", "pscore"),
    "publication_id": ("publication",),
    "device": ("device", "devicetype", "platform"),
    "surface": ("surface", "placement", "page"),
    "consent": (
        *("consent", "consented", "gdprconsent", "trackingconsent", "optin", "einwilligung"),
        *("consentement", "consentimiento"),
    ),
}
_UMLAUTS = {ord("ä"): "ae", ord("ö"): "oe", ord("ü"): "ue", ord("ß"): "ss"}
_IDS = {"user_id", "item_id", "event_id", "request_id", "publication_id"}
_EITHER = {"region", "category"}
_BARE_REQUESTS = {"invoice", "basket", "receipt", "rechnung", "bon", "beleg", "facture"}
_HEAD_FIRST = {"time", "price"}  # as in date_achat, prix unitaire
# Words beside the head word that make it another thing than the role.
_SPOILERS = {
    "time": {"birth", "release", "signup", "registration", "updated", "modified", "expiry"}
    | {"valid", "delivery", "delivered", "shipped", "shipping", "end", "until", "join"},
    "price": {"total", "line", "shipping", "list", "old"},
    "value": {"avg", "average", "mean", "count"},
    "title": {"category", "event", "brand", "country", "region", "city", "seller", "file"}
    | set(STEMS["user_id"]),
    "type": {"device", "product", "item", "user", "payment", "content", "card"},
}

EVENT_WORDS: dict[str, tuple[str, ...]] = {
    "impression": (
        *("impression", "impressions", "impr", "imp", "show", "shown", "exposure", "exposed"),
        *("display", "displayed", "anzeige"),
    ),
    "view": (
        *("view", "viewed", "views", "pageview", "pv", "detail", "detailpageview", "productview"),
        *("viewitem", "viewcontent", "productviewed", "itemview", "productdetail", "visit", "read"),
        *("watch", "play", "listen", "stream", "browse", "open", "ansicht", "vue", "vista"),
    ),
    "click": ("click", "clicks", "clicked", "clk", "tap", "selectitem", "productclick", "klick"),
    "add_to_cart": (
        *("addtocart", "cart", "addcart", "addedtocart", "atc", "basket", "addtobasket", "tocart"),
        *("productadded", "addtobag", "warenkorb", "inwarenkorb", "panier", "carrito"),
        *("wishlist", "addtowishlist", "bookmark", "save"),
    ),
    "purchase": (
        *("purchase", "purchased", "buy", "bought", "transaction", "order", "ordered", "sale"),
        *("sold", "checkout", "pay", "paid", "payment", "conversion", "completeorder"),
        *("ordercompleted", "kauf", "gekauft", "bestellung", "achat", "commande", "compra"),
        *("acquisto", "booking", "rent"),
    ),
    "cancel": (
        *("cancel", "cancelled", "canceled", "cancellation", "refund", "refunded", "return"),
        *("returned", "storno", "retoure", "annulation", "devolucion"),
    ),
    "rating": (
        *("rating", "rate", "rated", "review", "like", "liked", "favorite", "favourite", "fav"),
        *("love", "upvote", "thumbsup", "bewertung"),
    ),
    "skip": ("skip", "skipped", "swipe", "pass"),
    "hide": ("hide", "hidden", "dislike", "disliked", "downvote", "thumbsdown", "block", "report"),
}
_SALES = (
    "order|invoice|purchase|transaction|basket|receipt|sale|bestell|rechnung|kauf|achat|commande|"
    "factur|compra|pedido|acquist"
)
_EVENT_OF = {word: type_ for type_, words in EVENT_WORDS.items() for word in words}


def event_type_of(value: str) -> str | None:
    """The contract's event type that a source's word means, or None where it is not known."""
    return _EVENT_OF.get("".join(_tokens(value)))


def name_score(name: str, role: str) -> float:
    """How well a column's name says a role: 0 for not at all, about 5 for surely."""
    tokens = _tokens(name)
    compact = "".join(tokens)
    stem, has_id = _without_id(tokens)
    stems = STEMS[role]
    wants_id = role in _IDS - {"user_id", "item_id"}
    if role in _IDS:
        if (stem in stems or compact in stems) and (has_id or not wants_id):
            rank = stems.index(stem if stem in stems else compact) / 20
            return (4.5 if has_id else 2.9) - rank
        if role == "event_id" and compact == "id":
            return 2.5
        if role == "request_id" and compact in _BARE_REQUESTS:
            return 1.5
    elif compact in stems or (role in _EITHER and stem in stems):
        return 4.0 - stems.index(compact if compact in stems else stem) / 50
    words = _without_id_words(tokens)
    heads = [words[-1], *(words[:1] if role in _HEAD_FIRST else ())] if len(tokens) > 1 else []
    head = next((word for word in heads if word in stems), None)
    if head is None or (wants_id and not has_id) or (role not in _IDS | _EITHER and has_id):
        return 0.0
    spoiled = bool(_SPOILERS.get(role, set()).intersection(set(words) - {head}))
    if spoiled and role != "time":
        return 0.0
    return (1.0 if spoiled else 2.5) + 0.3 * has_id - stems.index(head) / 100


def says_sale(name: str) -> bool:
    """Whether a column's name speaks of orders, as ``ordered_at`` and ``InvoiceNo`` do."""
    return re.search(_SALES, "".join(_tokens(name))) is not None


def name_is_known(name: str) -> bool:
    """Whether a text looks like the name of a column."""
    return any(name_score(name, role) > 0 for role in STEMS)


def _without_id(tokens: list[str]) -> tuple[str, bool]:
    """The name without the words that say id, and whether there were any."""
    words = _without_id_words(tokens)
    compact = "".join(words)
    if len(words) < len(tokens):
        return compact, True
    for word in _ID_WORDS:
        if compact.endswith(word) and len(compact) > len(word) + 1:
            return compact[: -len(word)], True
    return compact, False


def _without_id_words(tokens: list[str]) -> list[str]:
    end = len(tokens)
    while end > 1 and tokens[end - 1] in _ID_WORDS:
        end -= 1
    return tokens[:end]


def _tokens(name: str) -> list[str]:
    """Lower-case words: ``CustomerID`` -> customer, id; ``Kunden-Nr.`` -> kunden, nr."""
    german = name.translate(_UMLAUTS)
    plain = unicodedata.normalize("NFKD", german).encode("ascii", "ignore").decode()
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    return [word for word in re.split(r"[^a-z0-9]+", parted.lower()) if word]
