// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Erc20} from "./Erc20.sol";

/// @title Exchange of deposited tokens by signed orders that are matched elsewhere
/// @notice Anyone may settle two orders that cross. A trade moves only balances inside this contract and adds
///         its fee to one account per token: the slot that every trade of that token writes.
contract Settlement {
    struct Order {
        address trader;
        address sellToken;
        address buyToken;
        uint256 sellAmount;
        uint256 buyAmount;
        uint256 nonce;
        uint256 expiry; // seconds since the epoch
    }

    struct Signature {
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME_HASH = keccak256("Settlement");
    bytes32 private constant ORDER_TYPEHASH = keccak256(
        "Order(address trader,address sellToken,address buyToken,uint256 sellAmount,uint256 buyAmount,uint256 nonce,uint256 expiry)"
    );
    uint256 private constant BASIS_POINTS = 10_000;

    address public owner;
    uint16 public feeBasisPoints;
    mapping(address trader => mapping(address token => uint256 amount)) public balanceOf;
    /// The key that signs a trader's orders when it is not the trader's own.
    mapping(address trader => address signer) public signerOf;
    /// Orders with a nonce below this one are void.
    mapping(address trader => uint256 nonce) public firstValidNonce;
    /// How much of an order's `sellAmount` is sold, by order hash.
    mapping(bytes32 orderHash => uint256 amount) public filled;
    mapping(address token => uint256 amount) public fees;

    event Deposited(address indexed trader, address indexed token, uint256 amount);
    event Withdrawn(address indexed trader, address indexed token, uint256 amount);
    event SignerSet(address indexed trader, address signer);
    event OrdersVoided(address indexed trader, uint256 firstValidNonce);
    event Settled(
        bytes32 indexed makerOrder, bytes32 indexed takerOrder, uint256 makerSold, uint256 takerSold, uint256 fee
    );
    event FeesCollected(address indexed token, uint256 amount);

    error NotOwner(address caller);
    error TokensDoNotMatch();
    error PricesDoNotCross();
    error Expired(bytes32 orderHash);
    error Voided(bytes32 orderHash);
    error Overfilled(bytes32 orderHash, uint256 remaining, uint256 required);
    error BadSignature(bytes32 orderHash);
    error InsufficientBalance(address trader, address token, uint256 available, uint256 required);
    error NonceNotIncreased(uint256 current);
    error ZeroFill();
    error TransferFailed();

    constructor(uint16 feeBasisPoints_) {
        owner = msg.sender;
        feeBasisPoints = feeBasisPoints_;
    }

    function deposit(Erc20 token, uint256 amount) external {
        balanceOf[msg.sender][address(token)] += amount;
        if (!token.transferFrom(msg.sender, address(this), amount)) revert TransferFailed();
        emit Deposited(msg.sender, address(token), amount);
    }

    function withdraw(Erc20 token, uint256 amount) external {
        _debit(msg.sender, address(token), amount);
        if (!token.transfer(msg.sender, amount)) revert TransferFailed();
        emit Withdrawn(msg.sender, address(token), amount);
    }

    function setSigner(address signer) external {
        signerOf[msg.sender] = signer;
        emit SignerSet(msg.sender, signer);
    }

    function voidBelow(uint256 nonce) external {
        uint256 current = firstValidNonce[msg.sender];
        if (nonce <= current) revert NonceNotIncreased(current);
        firstValidNonce[msg.sender] = nonce;
        emit OrdersVoided(msg.sender, nonce);
    }

    /// @notice Fills `makerSold` of the maker's order against the taker's order, at the maker's price.
    function settle(
        Order calldata maker,
        Signature calldata makerSignature,
        Order calldata taker,
        Signature calldata takerSignature,
        uint256 makerSold
    ) external {
        if (maker.sellToken != taker.buyToken || maker.buyToken != taker.sellToken) revert TokensDoNotMatch();
        if (makerSold == 0) revert ZeroFill();
        uint256 takerSold = (makerSold * maker.buyAmount + maker.sellAmount - 1) / maker.sellAmount;
        if (makerSold * taker.sellAmount < takerSold * taker.buyAmount) revert PricesDoNotCross();

        bytes32 domain = domainSeparator();
        bytes32 makerHash = _fill(domain, maker, makerSignature, makerSold);
        bytes32 takerHash = _fill(domain, taker, takerSignature, takerSold);
        uint256 fee = makerSold * feeBasisPoints / BASIS_POINTS;
        _trade(maker, taker, makerSold, takerSold, fee);
        emit Settled(makerHash, takerHash, makerSold, takerSold, fee);
    }

    function collectFees(Erc20 token) external {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        uint256 amount = fees[address(token)];
        fees[address(token)] = 0;
        if (!token.transfer(msg.sender, amount)) revert TransferFailed();
        emit FeesCollected(address(token), amount);
    }

    function domainSeparator() public view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, NAME_HASH, block.chainid, address(this)));
    }

    /// @dev Checks one order and marks `amount` of it as sold.
    function _fill(bytes32 domain, Order calldata order, Signature calldata signature, uint256 amount)
        private
        returns (bytes32 orderHash)
    {
        orderHash = keccak256(abi.encodePacked("\x19\x01", domain, keccak256(abi.encode(ORDER_TYPEHASH, order))));
        if (block.timestamp > order.expiry) revert Expired(orderHash);
        if (order.nonce < firstValidNonce[order.trader]) revert Voided(orderHash);
        uint256 remaining = order.sellAmount - filled[orderHash];
        if (remaining < amount) revert Overfilled(orderHash, remaining, amount);
        filled[orderHash] += amount;

        address signer = signerOf[order.trader];
        if (signer == address(0)) signer = order.trader;
        address recovered = ecrecover(orderHash, signature.v, signature.r, signature.s);
        if (recovered == address(0) || recovered != signer) revert BadSignature(orderHash);
    }

    /// @dev The taker pays the fee, in the token it buys.
    function _trade(Order calldata maker, Order calldata taker, uint256 makerSold, uint256 takerSold, uint256 fee)
        private
    {
        _debit(maker.trader, maker.sellToken, makerSold);
        _debit(taker.trader, taker.sellToken, takerSold);
        balanceOf[maker.trader][maker.buyToken] += takerSold;
        balanceOf[taker.trader][taker.buyToken] += makerSold - fee;
        fees[maker.sellToken] += fee;
    }

    function _debit(address trader, address token, uint256 amount) private {
        uint256 available = balanceOf[trader][token];
        if (available < amount) revert InsufficientBalance(trader, token, available, amount);
        balanceOf[trader][token] = available - amount;
    }
}
